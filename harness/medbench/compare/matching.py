"""Which records of BASE are set against which of NEW, and what stands against it.

A unit is a task, a method, a data fraction and generated or real data; its seeds go together. Within a unit, records that
agree in recipe, split, data, weights, versions and precision are a set. Sets that agree on both sides are compared. Of what
is left, a set is held against the one of the other side that differs least, with the differences named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from medbench.compare.rules import Rules
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
_Sets = dict[Facts, list[Record]]


def match(base: Iterable[Record], new: Iterable[Record], rules: Rules) -> list[Match]:
    """Every unit of either side, sorted; the order of the records does not matter."""
    both = rules.methods is not None
    names = rules.methods or (None, None)
    sides = [_subjects(records, name, both) for records, name in zip((base, new), names, strict=True)]
    found = []
    for subject in sorted({*sides[0], *sides[1]}):
        found += _match_sets(subject, sides[0].get(subject, {}), sides[1].get(subject, {}))
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
            found[subject][_facts(record, both)].append(record)
    return found


def _facts(record: Record, both: bool) -> Facts:
    """What must agree; of two methods, each has its own weights, and its id is told with them."""
    weights = (
        Fact("weights", "checkpoint", record.checkpoint_sha256 or "none"),
        Fact("weights", "method version", str(record.method_version)),
    )
    return (
        Fact("recipe", "recipe", record.recipe_label),
        Fact("recipe", "values", msgspec.json.encode(record.recipe_values, order="deterministic").decode()),
        Fact("split", "split", record.split),
        Fact("split", "data", record.manifest_sha256),
        *((Fact("", "method", record.method_id),) if both else weights),
        Fact("version", "task version", str(record.task_version)),
        Fact("version", "dataset version", str(record.dataset_version)),
        Fact("precision", "precision", record.provenance.precision),
    )


def _match_sets(subject: Subject, base: _Sets, new: _Sets) -> list[Match]:
    found = []
    rest_base, rest_new = dict(base), dict(new)
    for facts in sorted({*base} & {*new}):
        found.append(_unit(subject, facts, facts, rest_base.pop(facts), rest_new.pop(facts)))
    while rest_base and rest_new:
        pair = _nearest(rest_base, rest_new)
        if pair is None:
            break
        found.append(_unit(subject, *pair, rest_base.pop(pair[0]), rest_new.pop(pair[1])))
    several = "several sets of records fit: give folders with one of each" if rest_base and rest_new else ""
    found += [Match(subject, tuple(members), (), problem=several) for _, members in sorted(rest_base.items())]
    found += [Match(subject, (), tuple(members), problem=several) for _, members in sorted(rest_new.items())]
    return found


def _nearest(base: _Sets, new: _Sets) -> tuple[Facts, Facts] | None:
    """The pair that differs in fewer kinds than any other pair that has one of the two; None where it is a tie."""
    distance = {(one, other): len(_kinds(one, other)) for one in base for other in new}
    best = min(distance.values())
    pairs = [pair for pair, kinds in distance.items() if kinds == best]
    alone = [pair for pair in pairs if not any(other != pair and set(other) & set(pair) for other in pairs)]
    return min(alone) if alone else None


def _kinds(base: Facts, new: Facts) -> set[str]:
    return {one.kind for one, other in zip(base, new, strict=True) if one != other and one.kind}


def _unit(subject: Subject, facts: Facts, others: Facts, base: Sequence[Record], new: Sequence[Record]) -> Match:
    differences = [
        difference
        for one, other in zip(facts, others, strict=True)
        if one != other and one.kind
        for difference in _differences(one, other, base[0], new[0])
    ]
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
