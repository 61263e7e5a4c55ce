"""Metrics by group of the rows that ask, by sex, age band and view; the pool that they search stays whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medbench.protocols import GroupValue
from medbench.records import MetricValue
from medbench.statistics import patient_counts
from medbench_tasks.retrieval.metrics import score_with
from medbench_tasks.subgroups import FEWEST, members_of, too_few

_GROUPINGS = ("sex", "age", "view")

Score = Callable[[pa.Table, Sequence[str], NDArray[np.uint8]], Mapping[str, MetricValue]]
"""The metrics of those names of a table, with given draws (rows, R) of its rows."""


def group_values(
    table: pa.Table, names: Sequence[str], score: Score = score_with, groupings: Sequence[str] = _GROUPINGS
) -> Iterator[GroupValue]:
    """Each metric of ``names`` by group; rows whose attribute is not known are in no group.

    Intervals come from the same draws of patients as those of the whole test set; fewer than `FEWEST` rows get a note in place
    of a value.
    """
    counts = patient_counts(table.column("patient_id").to_pylist())
    attributes = {name: [value or "" for value in table.column(name).to_pylist()] for name in groupings}
    for grouping, group, members in members_of(attributes, groupings):
        rows = np.flatnonzero(members)
        few = dict.fromkeys(names, too_few(len(rows)))
        values = score(table.take(rows), names, counts[rows]) if len(rows) >= FEWEST else few
        for name, value in values.items():
            yield GroupValue(grouping=grouping, group=group, metric=name, value=value)
