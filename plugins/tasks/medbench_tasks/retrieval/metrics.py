"""Recalls and median ranks from the table of answers alone, with intervals over patients.

A query belongs to the patient of the first row that has its image or text; replicates draw patients, and so queries, while
the pool that they search stays whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medbench.errors import UnknownNameError
from medbench.records import MetricValue
from medbench.statistics import interval_of, patient_counts, replicate_blocks, weighted_sums
from medbench_tasks.retrieval.predictions import Queries, queries_from
from medbench_tasks.retrieval.recipe import CUTS, DIRECTIONS, METRICS, RELEASED

_PREFIXES = {"final": ("", ""), "embedding": ("embedding-", ""), "released": ("", RELEASED)}
"""What stands before and after a metric's name in each reading."""


def score_answers(table: pa.Table, names: Sequence[str]) -> dict[str, MetricValue]:
    """The metrics of those names, ``n`` the queries that they are over. Raises `UnknownNameError`, `TrialError` if empty."""
    return score_with(table, names, patient_counts(table.column("patient_id").to_pylist()))


def score_with(table: pa.Table, names: Sequence[str], counts: NDArray[np.uint8]) -> dict[str, MetricValue]:
    """As `score_answers`, with given draws (rows, R) of the rows."""
    points = estimates(table, names, np.ones((table.num_rows, 1), np.uint8))
    replicates = estimates(table, names, counts)
    numbers = _numbers(table)
    return {name: metric_value(float(points[name][0]), replicates[name], _number(numbers, name)) for name in names}


def replicate_answers(table: pa.Table, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """The metrics' bootstrap replicates (R,); NaN where a draw holds no query."""
    return estimates(table, names, patient_counts(table.column("patient_id").to_pylist()))


def estimates(table: pa.Table, names: Sequence[str], counts: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Each metric of ``names`` (R,) when each row stands ``counts`` (rows, R) times. Raises as `score_answers`."""
    known = {metric.name for metric in METRICS}
    for name in names:
        if name not in known:
            raise UnknownNameError("metric of retrieval", name, known)
    found: dict[str, NDArray[np.float64]] = {}
    for reading, (before, after) in _PREFIXES.items():
        asked = {way: queries_from(table, reading, way) for way in DIRECTIONS}
        recalls = _recalls(asked, counts)
        found |= {f"{before}{name}{after}": values for name, values in recalls.items()}
        total = np.sum(list(recalls.values()), axis=0)
        found |= {f"{before}rsum{after}": total, f"{before}mean-recall{after}": total / len(recalls)}
        if reading == "final":
            found |= {f"{way}-median-rank": _medians(queries, counts) for way, queries in asked.items()}
    return {name: found[name] for name in names}


def metric_value(point: float, replicates: NDArray[np.float64], n: int) -> MetricValue:
    """A metric with its interval; no value where it is undefined."""
    if np.isnan(point):
        return MetricValue(value=None, n=n, note="no query")
    interval = interval_of(replicates)
    if interval is None:
        return MetricValue(value=point, n=n)
    return MetricValue(value=point, low=interval.low, high=interval.high, n=n)


def _recalls(asked: Mapping[str, Queries], counts: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """``i2t-r1`` and the other five, (R,) each."""
    found: dict[str, NDArray[np.float64]] = {}
    for way, (row, places) in asked.items():
        columns = [places.hits(cut) for cut in CUTS] + [np.ones(len(row))]
        by_row = np.stack([np.bincount(row, column, len(counts)) for column in columns], axis=1)
        sums = weighted_sums(by_row.astype(np.float64), counts)
        found |= {f"{way}-r{cut}": _share(sums[:, place], sums[:, -1]) for place, cut in enumerate(CUTS)}
    return found


def _medians(queries: Queries, counts: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(R,) medians of the queries' ranks, the mean of the middle two where they are even in number."""
    ranks = queries.counts.ranks()
    order = np.argsort(ranks, kind="stable")
    ranks, rows = ranks[order], queries.row[order]
    drawn = counts[rows]
    medians = np.full(counts.shape[1], np.nan)
    for block in replicate_blocks(drawn):
        upto = drawn[:, block].cumsum(axis=0, dtype=np.int32)
        for replicate, column in enumerate(upto.T, block.start):
            if len(column) and column[-1]:
                middle = np.searchsorted(column, [(column[-1] - 1) // 2, column[-1] // 2], "right")
                medians[replicate] = ranks[middle].mean()
    return medians


def _numbers(table: pa.Table) -> dict[tuple[str, str], int]:
    """Queries by reading and direction."""
    return {(reading, way): len(queries_from(table, reading, way).row) for reading in _PREFIXES for way in DIRECTIONS}


def _number(numbers: Mapping[tuple[str, str], int], name: str) -> int:
    reading = next((one for one, (before, after) in _PREFIXES.items() if _is_of(name, before, after)), "final")
    return sum(count for (of, way), count in numbers.items() if of == reading and _direction(name) in {way, None})


def _is_of(name: str, before: str, after: str) -> bool:
    return bool(before or after) and name.startswith(before) and name.endswith(after)


def _direction(name: str) -> str | None:
    return next((way for way in DIRECTIONS if name.startswith(f"{way}-")), None)


def _share(hits: NDArray[np.float64], numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(hits, numbers, out=np.full_like(hits, np.nan), where=numbers > 0)
