"""Rows of an Arrow table by number or by part, without a copy where they follow one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_RUN = 64
"""Rows that a slice must have on average: shorter ones cost more than a copy."""


def rows_at(table: pa.Table, rows: Sequence[int] | NDArray[np.integer]) -> pa.Table:
    """The rows of these numbers, in that order: slices of ``table`` where they come in long runs, else a copy."""
    numbers = np.asarray(rows, np.int64)
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 2) != 1)
    if not len(numbers) or len(starts) * _LEAST_RUN > len(numbers) or numbers.min() < 0 or numbers.max() >= len(table):
        return table.take(pa.array(numbers, pa.int64()))
    ends = np.append(starts[1:], len(numbers))
    return pa.concat_tables(
        [table.slice(int(numbers[start]), int(end - start)) for start, end in zip(starts, ends, strict=True)]
    )


def rows_with(table: pa.Table, column: str, value: str) -> NDArray[np.int64]:
    """The numbers, ascending, of the rows whose list in ``column`` has ``value``; a batch is looked at at a time."""
    found: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    start = 0
    for chunk in table.column(column).chunks:
        parents = pc.list_parent_indices(chunk)
        having = pc.filter(parents, pc.equal(pc.list_flatten(chunk), value))
        found.append(np.unique(np.asarray(having, np.int64)) + start)
        start += len(chunk)
    return np.concatenate(found)


def values_in(table: pa.Table, column: str) -> list[str]:
    """Every distinct value of the lists in ``column``, sorted."""
    values: list[str] = pc.unique(pc.list_flatten(table.column(column))).to_pylist()
    return sorted(values)
