"""Which known method a checkpoint's file is of, told by its keys; what of it would be loaded, and what does not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from medbench.checkpoints import CONTAINERS
from medbench.contents import Contents, count_numbers, read_contents
from medbench.errors import MedbenchError, UsageError
from medbench.layouts import WHOLE_NUMBERS, KeyReading, Shape
from medbench.loading import resolve
from medbench.selection import MethodChoice
from medbench.specs import MethodSpec
from medbench.untrusted import shown

State = Literal["known", "incomplete", "unknown"]

MOST_KEYS = 20_000
"""More are not compared: no known method has as many tensors, and a file may hold any number."""
LONGEST_KEY = 1000
"""What is longer is cut: it is no known method's, and a file may name a tensor by any number of words."""
_DEEPEST = 8
_NEAREST = 3
_NAMED = 10
_GROUPS = 8
_LATER = "texts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Variants that a file is the same to: it does not say which of them it is. One reading for each of their parts."""

    choices: tuple[MethodChoice, ...]
    readings: tuple[KeyReading, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """``gloria@resnet50``, one each."""
        return tuple(one.id for one in self.choices)

    @property
    def fitting(self) -> int:
        """How many tensors fit."""
        return sum(one.matching.fitting for one in self.readings)

    @property
    def wrong(self) -> int:
        """How many keys are missing, unexpected or misshapen."""
        return sum(one.matching.wrong for one in self.readings)

    @property
    def refused(self) -> tuple[KeyReading, ...]:
        """The parts that do not fit."""
        return tuple(one for one in self.readings if one.matching.wrong)

    @property
    def loads(self) -> bool:
        """Whether its images are whole, and whatever else is read at once: texts are read when the first of them is."""
        fits = any(one.matching.fitting and not one.matching.wrong for one in self.readings)
        return fits and all(one.part == _LATER for one in self.refused)

    @property
    def needed(self) -> int:
        """How many tensors its parts need of a file."""
        return self.fitting + sum(len(one.matching.missing) + len(one.matching.misshapen) for one in self.readings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a file holds and what it is to the known methods.

    ``whole`` are the methods that it fits, that of which most is loaded first, then those that it fits but for their texts,
    which load for images; ``nearest`` the closest of the others. ``problems`` are methods that failed at telling.
    """

    contents: Contents
    whole: tuple[Candidate, ...]
    nearest: tuple[Candidate, ...]
    problems: tuple[str, ...]

    @property
    def state(self) -> State:
        """``known``, ``incomplete`` where more than half of the nearest method is there, else ``unknown``."""
        if self.whole and not self.is_misplaced:
            return "known"
        near = next(iter(self.whole or self.nearest), None)
        return "incomplete" if near is not None and 2 * near.fitting > near.needed else "unknown"

    @property
    def is_misplaced(self) -> bool:
        """Whether the tensors lie under a key where methods do not look."""
        return self.contents.under is not None and self.contents.under not in CONTAINERS

    @property
    def best(self) -> Candidate | None:
        """What the file is, or is nearest to."""
        return next(iter(self.whole or self.nearest), None)

    def as_dict(self) -> dict[str, Any]:
        """For machines; names of keys are those of the file."""
        contents = self.contents
        return {
            "file": str(contents.path),
            "bytes": contents.size,
            "form": contents.form,
            "trainer": contents.trainer or None,
            "phantom": contents.phantom,
            "under": contents.under,
            "tensors": len(contents.shapes),
            "parameters": contents.parameters,
            "dtypes": dict(contents.dtypes),
            "beside": dict(contents.beside),
            "not_read": list(contents.unread),
            "state": self.state,
            "methods": [name for one in self.whole for name in one.names],
            "fits": [self._candidate(one) for one in self.whole],
            "nearest": [self._candidate(one) for one in self.nearest],
            "problems": list(self.problems),
        }

    def _candidate(self, one: Candidate) -> dict[str, Any]:
        return {
            "methods": list(one.names),
            "images_only": one.loads and bool(one.refused),
            "parts": [self._reading(reading) for reading in one.readings],
        }

    def _reading(self, reading: KeyReading) -> dict[str, Any]:
        matching = reading.matching
        return {
            "part": reading.part,
            "layout": reading.layout,
            "tensors": matching.fitting,
            "parameters": self.parameters_of(reading),
            "ignored": grouped(matching.ignored),
            "missing": len(matching.missing),
            "unexpected": len(matching.unexpected),
            "misshapen": len(matching.misshapen),
            "first_missing": list(matching.missing[:_NAMED]),
            "first_unexpected": list(matching.unexpected[:_NAMED]),
            "first_misshapen": [list(one) for one in matching.misshapen[:_NAMED]],
        }

    def parameters_of(self, reading: KeyReading) -> int:
        """How many numbers would be loaded; keys of DataParallel's files are told without its prefix."""
        used = {key for keys in reading.matching.matched.values() for key in keys}
        shapes = self.contents.shapes
        return count_numbers(used, shapes) or count_numbers(
            (key for key in shapes if key.partition(".")[2] in used), shapes
        )


def inspect(path: Path, choices: Iterable[MethodChoice]) -> Inspection:
    """Look into a file and compare its keys with those of each of ``choices``, whose methods have `MethodSpec.keys`.

    A method that nothing of the file fits is not near, unless it is the only one. Raises as
    `medbench.contents.read_contents`.
    """
    choices = list(choices)
    alone = len({one.spec.id for one in choices}) == 1
    contents = read_contents(path)
    shapes = {key[:LONGEST_KEY]: shape for key, shape in islice(contents.shapes.items(), MOST_KEYS)}
    candidates, problems = _compared(choices, shapes)
    candidates = [_of_floats(one, contents.not_floating) for one in candidates]
    whole = [one for one in candidates if one.loads and len(shapes) == len(contents.shapes)]
    whole.sort(key=lambda one: bool(one.refused))
    others = [one for one in candidates if (one.fitting or alone) and one not in whole]
    return Inspection(
        contents=contents,
        whole=tuple(whole),
        nearest=() if whole else tuple(others[:_NEAREST]),
        problems=tuple(problems),
    )


def choices_of(specs: Iterable[MethodSpec]) -> list[MethodChoice]:
    """Every variant of the methods that tell their keys."""
    return [MethodChoice(spec, one) for spec in specs if spec.keys is not None for one in spec.variants]


def choices_named(spec: MethodSpec, variant: str | None) -> list[MethodChoice]:
    """The variants of a method, or one. Raises `UsageError` where the method does not tell its keys or has no such variant."""
    if spec.keys is None:
        raise UsageError(f"method '{spec.id}' does not tell the keys of its files", fix="leave out --method")
    if variant is None:
        return choices_of([spec])
    return [MethodChoice(spec, spec.variant(variant))]


def grouped(keys: Sequence[str]) -> dict[str, int]:
    """Keys counted by what they start with: ``{"text_encoder.*": 199, "local.weight": 1}``, the largest groups first."""
    cut, start = [key[:LONGEST_KEY] for key in keys], ""
    for _ in range(_DEEPEST):
        groups = Counter(_group(key, start) for key in cut)
        only = next(iter(groups), "")
        if len(groups) != 1 or not only.endswith(".*"):
            break
        start = only[:-1]
    found = {shown(name): count for name, count in groups.most_common(_GROUPS)}
    rest = len(keys) - sum(found.values())
    return found | ({"others": rest} if rest else {})


def _group(key: str, start: str) -> str:
    word, dot, _ = key[len(start) :].partition(".")
    return start + word + (".*" if dot else "")


def _compared(choices: Iterable[MethodChoice], shapes: Mapping[str, Shape]) -> tuple[list[Candidate], list[str]]:
    """Candidates, the one with the most that fits first, then the least that does not; and methods that failed."""
    found: dict[Any, Candidate] = {}
    problems: list[str] = []
    for choice in choices:
        try:
            readings = tuple(resolve(choice.spec.keys or "", f"method '{choice.spec.id}'")(choice.variant.id, shapes))
            seen = tuple((one.part, _used(one), one.matching.missing, one.matching.unexpected) for one in readings)
        except MedbenchError as error:
            problems.append(f"{choice.id}: {shown(error)}")
            continue
        except Exception as error:  # a plugin may raise anything; what it does not know is told by the others
            problems.append(f"{choice.id}: its keys could not be compared ({type(error).__name__}: {shown(error)})")
            continue
        same = found.get(seen)
        found[seen] = Candidate(
            choices=(*(same.choices if same else ()), choice), readings=same.readings if same else readings
        )
    return sorted(found.values(), key=lambda one: (-one.fitting, one.wrong)), problems


def _of_floats(candidate: Candidate, not_floating: frozenset[str]) -> Candidate:
    """The same where a tensor that holds no floating numbers is no weight; DataParallel's prefix may stand before its key."""
    if not not_floating:
        return candidate
    odd = not_floating | {key.partition(".")[2] for key in not_floating}
    readings = []
    for reading in candidate.readings:
        weights = [keys for name, keys in reading.matching.matched.items() if not name.endswith(WHOLE_NUMBERS)]
        found = tuple(f"{key}, not of floating numbers" for keys in weights for key in keys if key in odd)
        matching = replace(reading.matching, unexpected=reading.matching.unexpected + found)
        readings.append(replace(reading, matching=matching))
    return replace(candidate, readings=tuple(readings))


def _used(reading: KeyReading) -> tuple[object, ...]:
    matching = reading.matching
    return frozenset(key for keys in matching.matched.values() for key in keys), matching.misshapen
