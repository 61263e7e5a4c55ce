"""Which records share a row of a table, and what tells the rows of one method apart."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from medbench.records import Record, changes_text, encode

_LONGEST = 60
"""Recipe values that read longer are told apart by their digest."""
_SHORT = frozenset({"checkpoint", "key"})
"""What of an identity is shown by its first eight characters."""


class RowIdentity(NamedTuple):
    """What must agree before two records may share a row.

    ``recipe`` is empty unless others of the same method, label and fraction were run with other values; ``key`` is empty but
    for a record that stands alone.
    """

    method: str
    checkpoint: str
    method_version: int
    precision: str
    recipe: str
    key: str


def unique_records(records: Iterable[Record]) -> list[Record]:
    """Each trial once, by key, whatever their order; of two that differ, the one whose bytes come first."""
    found = _by_trial(records)
    return [same[0] if len(same) == 1 else min(same, key=encode) for _, same in sorted(found.items())]


def conflicts_of(records: Iterable[Record]) -> list[str]:
    """The trials of which two records give other numbers, one line each."""
    return [
        f"{same[0].method_id} on {same[0].task}, key {same[0].key}: {len(same)} records that differ in "
        f"{', '.join(differing(*same))}; one of them is shown"
        for _, same in sorted(_by_trial(records).items())
        if differing(*same)
    ]


def differing(*records: Record) -> list[str]:
    """The metrics (of floors and ceilings too) in which records of one trial differ."""
    first, *others = (_numbers(record) for record in records)
    names = {name for one in (first, *others) for name in one}
    return [name for name in sorted(names) if any(one.get(name) != first.get(name) for one in others)]


def trial_of(record: Record) -> tuple[str, str, str]:
    """Task, method and key: what says that two records are of the same trial."""
    return record.task, record.method_id, record.key


def rows_of(records: Iterable[Record]) -> dict[RowIdentity, list[Record]]:
    """Records that may share a row, by seed; one that another contradicts (same fraction and seed) stands alone."""
    together: defaultdict[RowIdentity, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda record: (record.method_id, record.fraction, record.seed, record.key)):
        together[_identity(record)].append(record)
    rows: defaultdict[RowIdentity, list[Record]] = defaultdict(list)
    for identity, members in together.items():
        for recipe, same in _by_recipe(members).items():
            own = identity._replace(recipe=recipe)
            trials = Counter((record.fraction, record.seed) for record in same)
            for record in same:
                alone = trials[record.fraction, record.seed] > 1
                rows[own._replace(key=record.key) if alone else own].append(record)
    return dict(rows)


def qualifiers_of(rows: Iterable[RowIdentity]) -> dict[RowIdentity, str]:
    """By row: the fields in which it differs from others of its method, and its precision where any row has another."""
    everyone = list(rows)
    precisions = {row.precision for row in everyone}
    values: defaultdict[tuple[str, str], set[object]] = defaultdict(set)
    for row in everyone:
        for name, value in row._asdict().items():
            values[row.method, name].add(value)
    found = {}
    for row in everyone:
        parts = []
        for name, value in row._asdict().items():
            seen = precisions if name == "precision" else values[row.method, name]
            if name != "method" and value and len(seen) > 1:
                parts.append(f"{name.replace('_', ' ')} {value[:8] if name in _SHORT else value}")
        found[row] = ", ".join(parts)
    return found


def qualifier_of(identity: RowIdentity, rows: Iterable[RowIdentity]) -> str:
    """That of one row."""
    return qualifiers_of(rows)[identity]


def _by_trial(records: Iterable[Record]) -> Mapping[tuple[str, str, str], list[Record]]:
    found: defaultdict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in records:
        found[trial_of(record)].append(record)
    return found


def _numbers(record: Record) -> dict[str, object]:
    found: dict[str, object] = dict(record.metrics)
    for kind, bounds in (("floor", record.floors), ("ceiling", record.ceilings)):
        for bound, metrics in bounds.items():
            found |= {f"{kind} {bound}.{name}": value for name, value in metrics.items()}
    return found


def _identity(record: Record) -> RowIdentity:
    return RowIdentity(
        method=record.method_id,
        checkpoint=record.checkpoint_sha256 or "none",
        method_version=record.method_version,
        precision=record.provenance.precision,
        recipe="",
        key="",
    )


def _by_recipe(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Records of one method by what tells their recipe values apart; what a recipe changes between fractions does not.

    The fields told are those in which records of any one fraction differ.
    """
    by_fraction: defaultdict[float, list[Record]] = defaultdict(list)
    for record in records:
        by_fraction[record.fraction].append(record)
    fields = sorted({name for same in by_fraction.values() for name in _differing_fields(same)})
    if not fields:
        return {"": list(records)}
    apart = {_recipe_text(one, fields) for same in by_fraction.values() if _differing_fields(same) for one in same}
    found: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        text = _recipe_text(record, fields)
        found[text if text in apart else ""].append(record)
    return found


def _differing_fields(records: Sequence[Record]) -> set[str]:
    if all(record.recipe_values == records[0].recipe_values for record in records):
        return set()
    names = {name for record in records for name in record.recipe_values}
    return {name for name in names if len({_packed(record.recipe_values, name) for record in records}) > 1}


def _packed(values: Mapping[str, Any], name: str) -> bytes:
    return msgspec.json.encode(values[name], order="deterministic") if name in values else b""


def _recipe_text(record: Record, fields: Iterable[str]) -> str:
    text = changes_text({name: record.recipe_values[name] for name in fields if name in record.recipe_values})
    return text if 0 < len(text) <= _LONGEST else hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
