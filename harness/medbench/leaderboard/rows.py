"""Which records share a row of a table, and what tells the rows of one method apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from medbench.records import Record, encode


class RowIdentity(NamedTuple):
    """What must agree before two records may share a row; ``key`` is empty but for a record that stands alone."""

    method: str
    checkpoint: str
    method_version: int
    precision: str
    key: str


def unique_records(records: Iterable[Record]) -> list[Record]:
    """The records by key, each key once, whatever their order; of two that differ, the one whose bytes come first."""
    found: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[record.key].append(record)
    return [same[0] if len(same) == 1 else min(same, key=encode) for _, same in sorted(found.items())]


def rows_of(records: Iterable[Record]) -> dict[RowIdentity, list[Record]]:
    """Records that may share a row, by seed; one that another contradicts (same fraction and seed) stands alone."""
    together: defaultdict[RowIdentity, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda record: (record.method_id, record.fraction, record.seed, record.key)):
        together[_identity(record)].append(record)
    rows: defaultdict[RowIdentity, list[Record]] = defaultdict(list)
    for identity, members in together.items():
        trials = Counter((record.fraction, record.seed) for record in members)
        for record in members:
            alone = trials[record.fraction, record.seed] > 1
            rows[identity._replace(key=record.key) if alone else identity].append(record)
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
                parts.append(f"{name.replace('_', ' ')} {value[:8] if isinstance(value, str) else value}")
        found[row] = ", ".join(parts)
    return found


def qualifier_of(identity: RowIdentity, rows: Iterable[RowIdentity]) -> str:
    """That of one row."""
    return qualifiers_of(rows)[identity]


def _identity(record: Record) -> RowIdentity:
    return RowIdentity(
        method=record.method_id,
        checkpoint=record.checkpoint_sha256 or "none",
        method_version=record.method_version,
        precision=record.provenance.precision,
        key="",
    )
