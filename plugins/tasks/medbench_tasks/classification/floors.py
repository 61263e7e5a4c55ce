"""Trivial answers that any method must beat: they have seen the training labels and no image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medbench.specs import Target
from medbench_tasks.classification.predictions import prediction_table
from medbench_tasks.classification.thresholds import UNDECIDED

if TYPE_CHECKING:
    from medbench.manifest import Manifest


def floor_tables(
    manifest: Manifest, target: Target, train_truth: NDArray[np.int8], truth: NDArray[np.int8]
) -> Mapping[str, pa.Table]:
    """Floors by name, as prediction tables over the rows of ``manifest`` (the test part).

    ``constant`` gives every sample the label's prevalence in ``train_truth`` (M, K), 0.5 where training says nothing: its hard
    answer is what most training samples have. ``all-present``, for multi-label targets, calls every label present, which
    is the floor of F1: 2 p / (1 + p) at a prevalence p.
    """
    known = train_truth >= 0
    counts = known.sum(axis=0)
    prevalence = np.divide(
        (train_truth == 1).sum(axis=0), counts, out=np.full(len(target.labels), UNDECIDED), where=counts > 0
    )

    def table(answer: NDArray[np.float64]) -> pa.Table:
        scores = np.tile(answer, (len(manifest), 1))
        thresholds = np.full(len(target.labels), UNDECIDED)
        return prediction_table(manifest, target, truth=truth, scores=scores, thresholds=thresholds)

    floors = {"constant": table(prevalence)}
    if target.kind == "multi-label":
        floors["all-present"] = table(np.ones(len(target.labels)))
    return floors
