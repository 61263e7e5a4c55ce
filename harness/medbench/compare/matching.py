"""Which records of BASE are set against which of NEW, and what stands against it.

A unit is a task, a method, a data fraction and generated or real data; its seeds go together. Within a unit, records that
agree in recipe, split, data, weights, versions and precision are a set. Sets that agree on both sides are compared. Of what
is left, a set is held against the one of the other side that differs least, with the differences named.

What then is left on one side alone is new or missing, but not for a gate: a collapse must not pass because the records that
it should be held against lie beside it. For a gate it is refused, unless it is of another recipe or precision, by name, than
everything on the other side and no such difference is allowed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from medbench.compare.rules import EXTRA, Rules
from medbench.records import Record, encode


class Subject(NamedTuple):
    """What a unit is of; with two methods compared, ``method`` is empty."""

    task: str
    method: str
    fraction: float
    phantom: bool


class Fact(NamedTuple):
    """Something that must agree: its kind (of `medbench.compare.rules.ALLOWABLE`), what it is, and its value."""

    kind: str
    what: str
    value: str


class Difference(NamedTuple):
    """A fact that differs; the values are short, and not escaped."""

    kind: str
    what: str
    base: str
    new: str

    def __str__(self) -> str:
        return f"{self.what} {self.base} / {self.new}"


@dataclass(frozen=True, slots=True)
class Match:
    """A unit: its seeds on each side (none where that side lacks it), in what they differ, and why else it is refused."""

    subject: Subject
    base: tuple[Record, ...]
    new: tuple[Record, ...]
    differences: tuple[Difference, ...] = ()
    problem: str = ""


Facts = tuple[Fact, ...]
"""Of a set of records, the method's id first."""
_Sets = dict[Facts, list[Record]]
_CHOSEN = frozenset({"recipe", "precision"})
"""What whoever runs a trial chooses by name; all else is the same trial done again, with another model or on other data."""


def match(base: Iterable[Record], new: Iterable[Record], rules: Rules) -> list[Match]:
    """Every unit of either side, sorted; the order of the records does not matter."""
    both = rules.methods is not None
    names = rules.methods or (None, None)
    sides = [_subjects(records, name, both) for records, name in zip((base, new), names, strict=True)]
    found = []
    for subject in sorted({*sides[0], *sides[1]}):
        found += _match_sets(subject, sides[0].get(subject, {}), sides[1].get(subject, {}), rules)
    return found


def _subjects(records: Iterable[Record], method: str | None, both: bool) -> dict[Subject, _Sets]:
    unique: dict[tuple[str, str, str], Record] = {}
    for record in records:
        name = (record.task, record.method_id, record.key)
        former = unique.get(name)
        unique[name] = record if former is None else min(former, record, key=encode)
    found: dict[Subject, _Sets] = defaultdict(lambda: defaultdict(list))
    for record in sorted(unique.values(), key=lambda one: (one.seed, one.key)):
        if method in (None, record.method_id, record.method):
            subject = Subject(record.task, "" if both else record.method_id, record.fraction, record.phantom)
            found[subject][_facts(record)].append(record)
    return found


def _facts(record: Record) -> Facts:
    """What must agree. The id of the method differs only where two methods are compared, and is then no difference."""
    return (
        Fact("", "method", record.method_id),
        Fact("recipe", "recipe", record.recipe_label),
        Fact("recipe", "values", msgspec.json.encode(record.recipe_values, order="deterministic").decode()),
        Fact("split", "split", record.split),
        Fact("split", "data", record.manifest_sha256),
        Fact("weights", "checkpoint", record.checkpoint_sha256 or "none"),
        Fact("weights", "method version", str(record.method_version)),
        Fact("version", "task version", str(record.task_version)),
        Fact("version", "dataset version", str(record.dataset_version)),
        Fact("precision", "precision", record.provenance.precision),
    )


def _match_sets(subject: Subject, base: _Sets, new: _Sets, rules: Rules) -> list[Match]:
    found = []
    rest_base, rest_new = dict(base), dict(new)
    for facts in sorted({*base} & {*new}):
        found.append(_unit(subject, facts, facts, rest_base.pop(facts), rest_new.pop(facts)))
    while rest_base and rest_new:
        pair = _nearest(rest_base, rest_new)
        if pair is None:
            break
        found.append(_unit(subject, *pair, rest_base.pop(pair[0]), rest_new.pop(pair[1])))
    tied = bool(rest_base and rest_new)
    lost_is_refused = rules.fail_on_regression and not rules.fail_on_missing  # where it is missing, that fails as well
    for facts, members in sorted(rest_base.items()):
        refused = tied or (lost_is_refused and _could_be_compared(facts, new, rules))
        found.append(Match(subject, tuple(members), (), problem=_several(refused, tied)))
    for facts, members in sorted(rest_new.items()):
        refused = tied or (rules.fail_on_regression and _could_be_compared(facts, base, rules))
        found.append(Match(subject, (), tuple(members), problem=_several(refused, tied)))
    return found


def _several(refused: bool, tied: bool) -> str:
    told = "several sets of records fit: give folders with one of each"
    return "" if not refused else told if tied else f"{told} (--allow {EXTRA} passes over this one)"


def _could_be_compared(facts: Facts, others: Iterable[Facts], rules: Rules) -> bool:
    """Whether the other side has something that a set might have to be held against."""
    if EXTRA in rules.allow:
        return False
    chosen = [fact.what in _CHOSEN and fact.kind not in rules.allow for fact in facts]
    return any(
        not any(mine and one != its for mine, one, its in zip(chosen, facts, other, strict=True)) for other in others
    )


def _nearest(base: _Sets, new: _Sets) -> tuple[Facts, Facts] | None:
    """The pair that differs in fewer kinds than any other pair that has one of the two; None where it is a tie."""
    distance = {(one, other): len(_kinds(one, other)) for one in base for other in new}
    best = min(distance.values())
    pairs = [pair for pair, kinds in distance.items() if kinds == best]
    alone = [pair for pair in pairs if not any(other != pair and set(other) & set(pair) for other in pairs)]
    return min(alone) if alone else None


def _kinds(base: Facts, new: Facts) -> set[str]:
    return {one.kind for one, _ in _unlike(base, new)}


def _unlike(base: Facts, new: Facts) -> list[tuple[Fact, Fact]]:
    """The facts that differ and should not: two methods have their own weights."""
    two = base[0] != new[0]
    pairs = zip(base, new, strict=True)
    return [(one, its) for one, its in pairs if one != its and one.kind and not (two and one.kind == "weights")]


def _unit(subject: Subject, facts: Facts, others: Facts, base: Sequence[Record], new: Sequence[Record]) -> Match:
    differences = [told for pair in _unlike(facts, others) for told in _differences(*pair, base[0], new[0])]
    samples = [{record.samples_sha256 for record in side} - {None} for side in (base, new)]
    if samples[0] and samples[1] and samples[0] != samples[1]:
        shown = [", ".join(sorted(_short(str(one)) for one in side)) for side in samples]
        differences.append(Difference("split", "test samples", *shown))
    problem = ""
    for name, side in (("BASE", base), ("NEW", new)):
        if len({record.seed for record in side}) < len(side):
            problem = f"{name} has several records of one seed"
    return Match(subject, tuple(base), tuple(new), tuple(differences), problem)


def _differences(one: Fact, other: Fact, base: Record, new: Record) -> list[Difference]:
    """As they are told: of recipe values each field that differs."""
    if one.what != "values":
        return [Difference(one.kind, one.what, _short(one.value), _short(other.value))]
    fields = sorted({*base.recipe_values, *new.recipe_values})
    values = [(name, *(_value(record.recipe_values, name) for record in (base, new))) for name in fields]
    return [Difference(one.kind, name, own, others) for name, own, others in values if own != others]


def _value(values: dict[str, Any], name: str) -> str:
    if name not in values:
        return "absent"
    text = msgspec.json.encode(values[name], order="deterministic").decode()
    return text if len(text) <= 60 else f"{text[:30]}…{text[-29:]}"


def _short(value: str) -> str:
    """The first digits of a hash; anything else as it is, cut where it is long."""
    if len(value) == 64 and set(value) <= set("0123456789abcdef"):
        return value[:8]
    return value if len(value) <= 60 else f"{value[:59]}…"
