"""Which cells of a column are not significantly worse than its best: the paired bootstrap over test patients, Holm-corrected.

The tests are those of `medbench.replicates.pair`, made for a whole column at once. numpy is imported only where two rows
keep replicates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from medbench.leaderboard.cells import Cell, Column
from medbench.records import MetricValue, Record
from medbench.replicates import are_packed, holm, mean_of_packed

LEVEL = 0.05
NO_REPLICATES = "its records keep no replicates of the metric (medbench rescore makes them)"
OTHER_SAMPLES = "other test samples or patients than the best's"
NO_SAMPLES = "its records do not agree on their test samples, or do not say which they are"
UNDEFINED = "the metric is undefined or absent in some seed"
BEST_UNTESTED = "nothing can be tested against the best: "
NO_DRAW = "too few draws in which both are defined"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of a row against the best of its column: ``p`` after Holm's correction, or why there was no test."""

    p: float | None
    reason: str = ""

    @property
    def tied(self) -> bool:
        """Whether the difference is not significant."""
        return self.p is not None and self.p >= LEVEL


@dataclass(frozen=True, slots=True)
class _Kept:
    samples: str
    patients: int
    data: tuple[bytes, ...]


def verdicts(members: Sequence[Sequence[Record]], cells: Sequence[Cell | None], column: Column) -> list[Verdict | None]:
    """By row: None for the best (the first of equals), for rows without a value, and where no direction is known.

    ``members`` are each row's records, in the order of ``cells``.
    """
    nothing: list[Verdict | None] = [None] * len(cells)
    values = {index: cell.value for index, cell in enumerate(cells) if cell is not None and cell.value is not None}
    if column.higher_is_better is None or len(values) < 2:
        return nothing
    sign = 1 if column.higher_is_better else -1
    best = max(values, key=lambda index: sign * values[index])
    kept = {index: _kept(members[index], column) for index in values}
    reference = kept[best]
    found = list(nothing)
    if isinstance(reference, str):
        for index in values.keys() - {best}:
            found[index] = Verdict(None, BEST_UNTESTED + reference)
        return found
    testable: dict[int, _Kept] = {}
    for index in values.keys() - {best}:
        mine = kept[index]
        reason = mine if isinstance(mine, str) else _mismatch(mine, reference)
        if reason:
            found[index] = Verdict(None, reason)
        elif not isinstance(mine, str):
            testable[index] = mine
    for index, verdict in _tested(testable, reference).items():
        found[index] = verdict
    return found


def _kept(records: Sequence[Record], column: Column) -> _Kept | str:
    """What a row keeps of that column, or why it cannot be tested."""
    own = [record for record in records if record.fraction == column.fraction]
    if any(record.metrics.get(column.metric, MetricValue(None)).value is None for record in own):
        return UNDEFINED
    data = tuple(record.replicates.get(column.metric, b"") for record in own)
    samples = {record.tested for record in own}
    if not are_packed(data):
        return NO_REPLICATES
    if len(samples) != 1 or (digest := samples.pop()) is None:
        return NO_SAMPLES
    return _Kept(digest, min(record.patients for record in own), data)


def _mismatch(mine: _Kept, best: _Kept) -> str:
    same = mine.samples == best.samples and len(mine.data[0]) == len(best.data[0])
    return "" if same else OTHER_SAMPLES


def _tested(rows: dict[int, _Kept], best: _Kept) -> dict[int, Verdict]:
    """Two-sided p-values as in `medbench.statistics.paired_difference`, then Holm's correction over them."""
    if not rows:
        return {}
    import numpy as np

    from medbench.statistics import paired_p_values

    differences = np.stack([mean_of_packed(one.data) for one in rows.values()]) - mean_of_packed(best.data)
    patients = min(best.patients, *(one.patients for one in rows.values()))
    found = zip(rows, paired_p_values(differences, patients).tolist(), strict=True)
    able = {index: p for index, p in found if not math.isnan(p)}
    corrected = dict(zip(able, holm(list(able.values())), strict=True))
    return {index: Verdict(corrected.get(index), "" if index in able else NO_DRAW) for index in rows}
