"""Metrics by sex, age band and view of the rows that ask; the pool that they search stays whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from medbench.protocols import GroupValue
from medbench.records import MetricValue
from medbench.statistics import patient_counts
from medbench_tasks.classification.subgroups import AGE_BANDS, FEWEST
from medbench_tasks.retrieval.metrics import score_with


def group_values(table: pa.Table, names: Sequence[str]) -> Iterator[GroupValue]:
    """Each metric of ``names`` by group; rows of unknown sex, age or view are in no group.

    Intervals come from the same draws of patients as those of the whole test set; fewer than `FEWEST` rows get a note in place
    of a value.
    """
    counts = patient_counts(table.column("patient_id").to_pylist())
    for grouping in ("sex", "age", "view"):
        members = [value or "" for value in table.column(grouping).to_pylist()]
        if grouping == "age":
            members = [_band(age) for age in members]
        for group in _in_order(members):
            rows = np.flatnonzero(np.asarray(members) == group)
            few = MetricValue(value=None, n=len(rows), note=f"fewer than {FEWEST} samples")
            values = (
                score_with(table.take(rows), names, counts[rows]) if len(rows) >= FEWEST else dict.fromkeys(names, few)
            )
            for name, value in values.items():
                yield GroupValue(grouping=grouping, group=group, metric=name, value=value)


def _in_order(members: Sequence[str]) -> list[str]:
    """The groups that have members: age bands ascending, others by name."""
    bands = [name for _, name in AGE_BANDS]
    return sorted(set(members) - {""}, key=lambda name: (bands.index(name) if name in bands else -1, name))


def _band(age: str) -> str:
    """The band of an age in years; '' where it is no number of at least 0."""
    try:
        years = float(age)
    except ValueError:
        return ""
    return next((name for first, name in reversed(AGE_BANDS) if years >= first), "")
