"""Metrics by sex, age band and view of the rows that ask; the pool that they search stays whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from medbench.protocols import GroupValue
from medbench.statistics import patient_counts
from medbench_tasks.retrieval.metrics import score_with
from medbench_tasks.subgroups import FEWEST, members_of, too_few

_GROUPINGS = ("sex", "age", "view")


def group_values(table: pa.Table, names: Sequence[str]) -> Iterator[GroupValue]:
    """Each metric of ``names`` by group; rows of unknown sex, age or view are in no group.

    Intervals come from the same draws of patients as those of the whole test set; fewer than `FEWEST` rows get a note in place
    of a value.
    """
    counts = patient_counts(table.column("patient_id").to_pylist())
    attributes = {name: [value or "" for value in table.column(name).to_pylist()] for name in _GROUPINGS}
    for grouping, group, members in members_of(attributes, _GROUPINGS):
        rows = np.flatnonzero(members)
        few = dict.fromkeys(names, too_few(len(rows)))
        values = score_with(table.take(rows), names, counts[rows]) if len(rows) >= FEWEST else few
        for name, value in values.items():
            yield GroupValue(grouping=grouping, group=group, metric=name, value=value)
