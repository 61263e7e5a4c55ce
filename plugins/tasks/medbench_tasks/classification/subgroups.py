"""Metrics by class and by subgroup: sex, age band and view, where the predictions have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from medbench.protocols import GroupValue
from medbench.records import MetricValue
from medbench.statistics import patient_counts
from medbench_tasks.classification.metrics import score_labels, score_with
from medbench_tasks.classification.predictions import Predictions
from medbench_tasks.subgroups import FEWEST, members_of, too_few

_GROUPINGS = ("sex", "age", "view")


def group_values(predictions: Predictions, names: Sequence[str]) -> list[GroupValue]:
    """Each metric of ``names`` by class, then by sex, age band and view; samples of unknown sex, age or view are in no group.

    Multi-class metrics that do not speak of single classes (accuracy, calibration) are left out by class. Intervals come from
    the same draws of patients as those of the whole test set.
    """
    predictions = predictions.take(np.flatnonzero(predictions.labelled))
    if not len(predictions):
        return []
    counts = patient_counts(predictions.patient_ids)
    return [*_by_class(predictions, names, counts), *_by_attribute(predictions, names, counts)]


def _by_class(predictions: Predictions, names: Sequence[str], counts: NDArray[np.uint8]) -> Iterator[GroupValue]:
    for name, values in score_labels(predictions, names, counts).items():
        for label, value in zip(predictions.target.labels, values, strict=True):
            kept = value if value.n >= FEWEST else too_few(value.n)
            yield GroupValue(grouping="class", group=label, metric=name, value=kept)


def _by_attribute(predictions: Predictions, names: Sequence[str], counts: NDArray[np.uint8]) -> Iterator[GroupValue]:
    for grouping, group, members in members_of(predictions.attributes, _GROUPINGS):
        for name, value in _of_rows(predictions, names, counts, np.flatnonzero(members)).items():
            yield GroupValue(grouping=grouping, group=group, metric=name, value=value)


def _of_rows(
    predictions: Predictions, names: Sequence[str], counts: NDArray[np.uint8], rows: NDArray[np.int64]
) -> Mapping[str, MetricValue]:
    if len(rows) < FEWEST:
        return dict.fromkeys(names, too_few(len(rows)))
    return score_with(predictions.take(rows), names, counts[rows])
