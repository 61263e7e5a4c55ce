"""Key layouts of published checkpoints: which tensor of a file each tensor of a network is, said as data. Needs no torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import zip_longest

from medbench.errors import PluginError
from medbench.untrusted import shown

Shape = tuple[int, ...]
Keys = tuple[str, ...]

COUNTERS = ".num_batches_tracked"
"""BatchNorm's counters, which files of old versions of torch lack; they move no feature."""
INDICES = ".embeddings.position_ids"
"""The numbers from 0 up, which transformers kept among BERT's weights until version 4.30."""
WHOLE_NUMBERS = (COUNTERS, "ids_queue", "mask_queue")
"""What a network's names of tensors end in that are no weights: counters, and MOTOR's queue of tokens."""
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """How a file's keys meet the tensors that a network needs.

    ``matched`` maps the network's names to the file's keys, of which several are joined along the first axis. ``misshapen``
    gives key, shape found, shape needed.
    """

    matched: Mapping[str, Keys]
    ignored: Keys
    missing: Keys
    unexpected: Keys
    misshapen: tuple[tuple[str, Shape, Shape], ...]

    @property
    def fitting(self) -> int:
        """How many of the file's tensors are needed and have the right shape."""
        return sum(map(len, self.matched.values())) - len(self.misshapen)

    @property
    def wrong(self) -> int:
        """How many keys are missing, unexpected or misshapen."""
        return len(self.missing) + len(self.unexpected) + len(self.misshapen)

    def complaint(self) -> str | None:
        """One line with everything that is wrong, or None."""
        shapes = [f"{key} {found} for {needed}" for key, found, needed in self.misshapen]
        parts = [
            counted("missing key", self.missing),
            counted("unexpected key", self.unexpected),
            counted("tensor of another shape", shapes),
        ]
        return "; ".join(part for part in parts if part) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReading:
    """What a file's keys are to one part of a method (``images``, ``texts``) in the ``layout`` that fits them best."""

    part: str
    layout: str
    matching: Matching


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How files of one origin name and shape a network's tensors.

    ``renames`` goes from a pattern of the network's names to that of the file's key, or to several whose tensors are joined
    along the first axis, in that order; the first pattern that fits counts. ``*`` stands for what is between two dots, ``**``
    for all the rest, in the same order on both sides: ``{"blocks.*.norm1.**": "encoder.layer.*.ln.**"}``. ``ignore`` are
    patterns of keys that may stand in the file unused, `INDICES` always. ``flat`` are patterns of the network's names whose
    leading axes of size one the file does without.

    Raises `PluginError` for a rename with more stars on one side than on the other.
    """

    name: str
    renames: Mapping[str, str | Keys]
    ignore: Keys = ()
    flat: Keys = ()
    _rules: tuple[tuple[re.Pattern[str], tuple[tuple[str, ...], ...]], ...] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        rules = []
        for ours, theirs in self.renames.items():
            targets = (theirs,) if isinstance(theirs, str) else theirs
            for target in targets:
                if _stars(target) != _stars(ours):
                    raise PluginError(f"layout '{self.name}': '{ours}' and '{target}' have other stars")
            rules.append((_pattern(ours), tuple(tuple(re.split(_STAR, target)[::2]) for target in targets)))
        object.__setattr__(self, "_rules", tuple(rules))

    def keys_of(self, name: str) -> Keys:
        """The file's keys of a network's tensor. Raises `PluginError` for a name that no rename speaks of."""
        for pattern, targets in self._rules:
            found = pattern.fullmatch(name)
            if found is not None:
                return tuple("".join(_woven(pieces, found.groups())) for pieces in targets)
        raise PluginError(f"layout '{self.name}' does not say what the file calls {name}")

    def stored_shape(self, name: str, shape: Shape) -> Shape:
        """The shape in the file of each tensor of a network's: split along the first axis, or without leading ones."""
        if self._is(name, self.flat):
            return shape[next((axis for axis, size in enumerate(shape) if size != 1), len(shape)) :]
        parts = len(self.keys_of(name))
        return shape if parts == 1 else (shape[0] // parts, *shape[1:])

    def ignores(self, key: str) -> bool:
        """Whether a key may stand in the file unused."""
        return key.endswith(INDICES) or self._is(key, self.ignore)

    def match(self, needed: Mapping[str, Shape], found: Mapping[str, Shape]) -> Matching:
        """Compare a file's keys and shapes with a network's names and shapes."""
        return match(
            found,
            {
                name: [(key, self.stored_shape(name, shape)) for key in self.keys_of(name)]
                for name, shape in needed.items()
            },
            ignore=self.ignores,
            optional=lambda name: name.endswith(COUNTERS),
        )

    @staticmethod
    def _is(text: str, patterns: Iterable[str]) -> bool:
        return any(_pattern(pattern).fullmatch(text) for pattern in patterns)


def match(
    found: Mapping[str, Shape],
    needed: Mapping[str, Sequence[tuple[str, Shape]]],
    *,
    ignore: Callable[[str], bool],
    optional: Callable[[str], bool] = lambda name: False,
) -> Matching:
    """Compare the shapes ``found`` in a file with those that each of a network's names needs under the file's keys.

    ``ignore`` tells the keys that may stand there unused, ``optional`` the names that the file may lack.
    """
    wanted = {key for keys in needed.values() for key, _ in keys}
    spare = [key for key in found if key not in wanted]
    there = {name: keys for name, keys in needed.items() if all(key in found for key, _ in keys)}
    return Matching(
        matched={name: tuple(key for key, _ in keys) for name, keys in there.items()},
        ignored=tuple(key for key in spare if ignore(key)),
        missing=tuple(
            key for name, keys in needed.items() for key, _ in keys if key not in found and not optional(name)
        ),
        unexpected=tuple(key for key in spare if not ignore(key)),
        misshapen=tuple(
            (key, found[key], shape) for keys in there.values() for key, shape in keys if found[key] != shape
        ),
    )


def best(readings: Iterable[KeyReading]) -> KeyReading:
    """The reading with the least that is wrong, of equal ones that with the most that fits, then the first."""
    return min(readings, key=lambda one: (one.matching.wrong, -one.matching.fitting))


def counted(what: str, items: Iterable[str]) -> str:
    """``2 missing keys (a, b)``, the first few by name; empty where there is none."""
    items = list(items)
    if not items:
        return ""
    named = ", ".join(map(shown, items[:_NAMED])) + (", ..." if len(items) > _NAMED else "")
    return f"{len(items)} {what}{'s' if len(items) > 1 and not what.endswith('shape') else ''} ({named})"


_STAR = re.compile(r"(\*\*|\*)")


@cache
def _pattern(text: str) -> re.Pattern[str]:
    words = {"*": r"([^.]+)", "**": "(.+)"}
    return re.compile("".join(words.get(part, re.escape(part)) for part in re.split(_STAR, text)))


def _stars(text: str) -> list[str]:
    return re.findall(_STAR, text)


def _woven(pieces: Sequence[str], groups: Sequence[str]) -> Iterable[str]:
    for piece, group in zip_longest(pieces, groups, fillvalue=""):
        yield piece
        yield group
