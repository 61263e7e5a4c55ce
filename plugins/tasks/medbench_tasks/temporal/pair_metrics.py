"""Accuracy and balanced accuracy of answers to image pairs, finding by finding, with intervals over patients.

Each metric is first estimated for each finding, for the pairs as they are and for every bootstrap replicate by the same code,
and then averaged over the findings that were answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from medbench.errors import UnknownNameError
from medbench.records import MetricValue
from medbench.statistics import interval_of, patient_counts, weighted_sums
from medbench_tasks.temporal.pair_predictions import PairPredictions

Counts = NDArray[np.uint8]
Estimates = NDArray[np.float64]
RELEASED = "accuracy-as-released"
_RELEASED_DECIMALS = 4


def score_pairs(predictions: PairPredictions, names: Sequence[str], folds: int) -> dict[str, MetricValue]:
    """The metrics of those names over all findings; ``folds`` were asked for, and are named where they could not be had.

    Raises `UnknownNameError`.
    """
    scored = _scored(predictions)
    notes = [f"{name}: {_why_not(predictions, column, folds)}" for column, name in _left_out(predictions)]
    n = int(predictions.answered.any(axis=1).sum())
    if not scored:
        return {name: MetricValue(value=None, note="; ".join(notes)) for name in names}
    note = f"without {'; '.join(notes)}" if notes else ""
    replicates = replicate_pairs(predictions, names)
    return {name: _value(float(_point(predictions, name, scored).mean()), replicates[name], n, note) for name in names}


def score_findings(
    predictions: PairPredictions, names: Sequence[str], folds: int
) -> list[tuple[str, str, MetricValue]]:
    """Finding, metric and its value, for each finding and metric."""
    counts = patient_counts(predictions.patient_ids)
    rows = []
    for column, finding in enumerate(predictions.findings):
        answered = predictions.answered[:, column]
        for name in names:
            if answered.any():
                point = float(_point(predictions, name, [column])[0])
                value = _value(point, _estimate(predictions, name, column, counts), int(answered.sum()), "")
            else:
                value = MetricValue(value=None, note=_why_not(predictions, column, folds))
            rows.append((finding, name, value))
    return rows


def replicate_pairs(predictions: PairPredictions, names: Sequence[str]) -> dict[str, Estimates]:
    """The metrics' bootstrap replicates (R,) over all findings, unrounded; NaN where one of the findings is undefined."""
    counts = patient_counts(predictions.patient_ids)
    scored = _scored(predictions)
    if not scored:
        return {name: np.full(counts.shape[1], np.nan) for name in names}
    return {
        name: np.stack([_estimate(predictions, name, column, counts) for column in scored], axis=1).mean(axis=1)
        for name in names
    }


def _point(predictions: PairPredictions, name: str, columns: Sequence[int]) -> Estimates:
    """(len(columns),) the metric of each finding on the pairs as they are."""
    once = np.ones((len(predictions.truth), 1), np.uint8)
    points = np.array([_estimate(predictions, name, column, once)[0] for column in columns])
    return np.round(points, _RELEASED_DECIMALS) if name == RELEASED else points


def _estimate(predictions: PairPredictions, name: str, column: int, counts: Counts) -> Estimates:
    """(R,) the metric of one finding in each replicate; ``counts`` (N, R) is how often each pair stands in it."""
    if name not in _ESTIMATES:
        raise UnknownNameError("metric of image pairs", name, _ESTIMATES)
    known = predictions.answered[:, column]
    correct = known & (predictions.truth[:, column] == predictions.predicted[:, column])
    return _ESTIMATES[name](predictions, column, known, correct, counts)


def _accuracy(
    _predictions: PairPredictions, _column: int, known: NDArray[np.bool_], correct: NDArray[np.bool_], counts: Counts
) -> Estimates:
    return _shares([known], correct, counts)[:, 0]


def _balanced_accuracy(
    predictions: PairPredictions, column: int, known: NDArray[np.bool_], correct: NDArray[np.bool_], counts: Counts
) -> Estimates:
    """The mean recall of the classes that the pairs have; NaN in a replicate that lacks one of them."""
    truth = predictions.truth[:, column]
    recalls: Estimates = _shares([known & (truth == one) for one in np.unique(truth[known])], correct, counts)
    return np.asarray(recalls.mean(axis=1))


def _mean_over_folds(
    predictions: PairPredictions, column: int, known: NDArray[np.bool_], correct: NDArray[np.bool_], counts: Counts
) -> Estimates:
    """The mean over the folds that the replicate has any pair of."""
    folds = predictions.folds[:, column]
    return _mean_defined(_shares([known & (folds == one) for one in np.unique(folds[known])], correct, counts))


_ESTIMATES: Mapping[str, Callable[[PairPredictions, int, NDArray[np.bool_], NDArray[np.bool_], Counts], Estimates]] = {
    "accuracy": _accuracy,
    "balanced-accuracy": _balanced_accuracy,
    RELEASED: _mean_over_folds,
}


def _shares(parts: Sequence[NDArray[np.bool_]], correct: NDArray[np.bool_], counts: Counts) -> Estimates:
    """(R, parts) the share of each part that is correct, NaN where a replicate has none of it."""
    members = np.stack(parts, axis=1)
    sums = weighted_sums(np.concatenate([members & correct[:, None], members], axis=1).astype(np.float64), counts)
    right, total = np.split(sums, 2, axis=1)
    shares: Estimates = np.divide(right, total, out=np.full_like(right, np.nan), where=total > 0)
    return shares


def _mean_defined(estimates: Estimates) -> Estimates:
    """(R,) means of (R, C) over the columns that are defined; NaN where none is."""
    defined = ~np.isnan(estimates)
    number = defined.sum(axis=1)
    total = np.where(defined, estimates, 0.0).sum(axis=1)
    means: Estimates = np.divide(total, number, out=np.full(len(estimates), np.nan), where=number > 0)
    return means


def _scored(predictions: PairPredictions) -> list[int]:
    return [int(column) for column in np.flatnonzero(predictions.answered.any(axis=0))]


def _left_out(predictions: PairPredictions) -> list[tuple[int, str]]:
    scored = set(_scored(predictions))
    return [(column, name) for column, name in enumerate(predictions.findings) if column not in scored]


def _why_not(predictions: PairPredictions, column: int, folds: int) -> str:
    known = predictions.truth[predictions.truth[:, column] >= 0, column]
    if not len(known):
        return "no pair is labelled"
    if len(np.unique(known)) == 1:
        return "one class only"
    return f"too few patients or pairs for {folds} folds"


def _value(value: float, replicates: Estimates, n: int, note: str) -> MetricValue:
    interval = interval_of(replicates)
    if interval is None:
        return MetricValue(value=value, n=n, note=note)
    return MetricValue(value=value, low=interval.low, high=interval.high, n=n, note=note)
