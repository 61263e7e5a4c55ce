"""Calibration: the expected calibration error in replicates, and the bins of a reliability diagram.

Guo et al., On Calibration of Modern Neural Networks (2017), section 2: the mean gap between confidence and frequency over
equal-width bins, weighted by their samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from medbench.protocols import ReliabilityBin
from medbench.statistics import replicate_blocks, weighted_sums
from medbench_tasks.classification.predictions import Predictions

BINS = 15
_EDGES = np.linspace(0, 1, BINS + 1)


def ece_estimates(predictions: Predictions, counts: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(R, C) expected calibration errors: of each label's probability, or of the top class alone (C = 1).

    NaN for a label without samples. Scores must be probabilities.
    """
    confidence, right, known = _confidences(predictions)
    gap = np.where(known, right - confidence, 0.0)
    columns = range(gap.shape[1])
    by_bin = sparse.vstack([_bin_sums(gap[:, column], _bin_of(confidence[:, column])) for column in columns], "csr")
    weight = weighted_sums(known.astype(np.float64), counts)
    errors = np.empty_like(weight)
    for block in replicate_blocks(counts):
        gaps = np.abs(by_bin @ counts[:, block].astype(np.float64))
        errors[block] = gaps.reshape(len(columns), BINS, -1).sum(axis=1).T
    return np.divide(errors, weight, out=np.full_like(errors, np.nan), where=weight > 0)


def _bin_sums(values: NDArray[np.float64], bin_of: NDArray[np.int64]) -> sparse.coo_array:
    """The matrix (BINS, N) that sums ``values`` (N,) times a weight bin by bin."""
    return sparse.coo_array((values, (bin_of, np.arange(len(values)))), shape=(BINS, len(values)))


def reliability_bins(predictions: Predictions) -> list[ReliabilityBin]:
    """The bins that hold any score, ascending; all labels together, or the top class; none unless scores are probabilities."""
    if not predictions.probabilities:
        return []
    confidence, right, known = _confidences(predictions)
    return bins_of(confidence[known], right[known])


def bins_of(scores: NDArray[np.float64], answers: NDArray[np.float64]) -> list[ReliabilityBin]:
    """The bins that hold any of ``scores`` (M,), within 0..1; ``answers`` (M,) are 1 where it was right, else 0."""
    bin_of = _bin_of(scores)
    sizes = np.bincount(bin_of, minlength=BINS)
    confidences = np.bincount(bin_of, weights=scores, minlength=BINS)
    frequencies = np.bincount(bin_of, weights=answers, minlength=BINS)
    return [
        ReliabilityBin(
            low=float(_EDGES[index]),
            high=float(_EDGES[index + 1]),
            n=int(sizes[index]),
            confidence=float(confidences[index] / sizes[index]),
            frequency=float(frequencies[index] / sizes[index]),
        )
        for index in np.flatnonzero(sizes)
    ]


def _confidences(predictions: Predictions) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """(N, C) each: the confidence, whether it was right, and whether that is known."""
    if not predictions.multi_class:
        return predictions.scores, (predictions.truth == 1).astype(np.float64), predictions.truth >= 0
    top = predictions.scores.argmax(axis=1)[:, None]
    answer = np.take_along_axis(predictions.truth, top, axis=1)
    return np.take_along_axis(predictions.scores, top, axis=1), (answer == 1).astype(np.float64), answer >= 0


def _bin_of(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin (low, high] of each confidence; 0 is in the first."""
    index: NDArray[np.int64] = np.searchsorted(_EDGES, confidence, side="left") - 1
    return np.maximum(index, 0)
