"""Rows of a table by number and by part: what `Table.take` gives, without a copy where rows follow one another."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench import table_rows
from medbench.table_rows import rows_at, rows_with, values_in

LISTS = [["a/x"], [], ["b/x", "a/x"], ["b/x"], ["a/x", "c/y"], []] * 50
WHOLE = pa.table({"number": list(range(300)), "splits": LISTS})
PIECES = pa.concat_tables([WHOLE.slice(start, 70) for start in range(0, 300, 70)])


@given(st.lists(st.tuples(st.integers(0, 250), st.integers(0, 49)), max_size=4), st.sampled_from([1, 20]))
def test_rows_are_those_that_were_asked_for(runs, least):
    wanted = [row for start, count in runs for row in range(start, start + count)]
    before, table_rows._LEAST_RUN = table_rows._LEAST_RUN, least
    try:
        assert rows_at(PIECES, wanted).equals(PIECES.take(pa.array(wanted, pa.int64())))
    finally:
        table_rows._LEAST_RUN = before


def test_long_runs_are_not_copied():
    allocated = pa.total_allocated_bytes()
    kept = rows_at(WHOLE, np.r_[0:100, 150:290])
    assert pa.total_allocated_bytes() == allocated
    assert kept.column("number").to_pylist() == [*range(100), *range(150, 290)]


@pytest.mark.parametrize("rows", [range(250, 350), [-1, 0]])
def test_a_row_that_is_not_there_is_refused(rows):
    with pytest.raises(IndexError):
        rows_at(WHOLE, rows)


@pytest.mark.parametrize("table", [WHOLE, PIECES, WHOLE.slice(3, 200), PIECES.slice(65, 100), WHOLE.slice(0, 0)])
def test_the_rows_of_a_part_are_found_in_any_slice(table):
    lists = table.column("splits").to_pylist()
    for name in ("a/x", "b/x", "c/y", "none"):
        assert rows_with(table, "splits", name).tolist() == [row for row, one in enumerate(lists) if name in one]
    assert values_in(table, "splits") == sorted({name for one in lists for name in one})
