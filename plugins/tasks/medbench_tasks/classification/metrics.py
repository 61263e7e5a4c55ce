"""Every metric of `medbench_tasks.classification.metrics_catalogue`, with its interval by bootstrap over patients.

Each metric is first estimated label by label (`label_estimates`), by the same code for the test set as it is and for every
replicate of it, and then averaged over the labels on which the test set defines it. AUROC needs both classes, balanced
accuracy too (of one class out of several: a sample of it), average precision, F1 and sensitivity a positive, specificity a
negative; accuracy and the calibration error any sample. Micro F1 and the share of samples with all labels right are of all
labels at once. A label that a replicate leaves undefined is left out of that replicate's mean. Multi-class AUROC, average
precision and F1 are one class against the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from medbench.errors import TrialError, UnknownNameError
from medbench.records import MetricValue
from medbench.statistics import interval_of, patient_counts
from medbench_tasks.classification.calibration import ece_estimates
from medbench_tasks.classification.decisions import Confusion, confusion
from medbench_tasks.classification.predictions import Predictions
from medbench_tasks.classification.ranking import Field, ranking_estimates

NOT_PROBABILITIES = "the scores are no probabilities"
_NEEDS_NEGATIVES = frozenset({"auroc", "balanced-accuracy", "balanced-accuracy-as-released", "specificity"})


def score_predictions(predictions: Predictions, names: Sequence[str]) -> dict[str, MetricValue]:
    """The metrics of those names over all labels. Raises `UnknownNameError`, and `TrialError` where nothing is labelled."""
    predictions = _of_labelled(predictions)
    return score_with(predictions, names, patient_counts(predictions.patient_ids))


def replicate_metrics(predictions: Predictions, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """The metrics' bootstrap replicates over all labels, (R,) each, NaN where undefined."""
    predictions = _of_labelled(predictions)
    points = label_estimates(predictions, names, _once(predictions))
    replicates = label_estimates(predictions, names, patient_counts(predictions.patient_ids))
    return {name: _mean(replicates[name], points[name]) for name in names}


def score_with(predictions: Predictions, names: Sequence[str], counts: NDArray[np.uint8]) -> dict[str, MetricValue]:
    """As `score_predictions`, over replicates that are already drawn: ``counts`` (N, R)."""
    points = label_estimates(predictions, names, _once(predictions))
    replicates = label_estimates(predictions, names, counts)
    return {name: _over_labels(predictions, name, points[name], replicates[name]) for name in names}


def score_labels(
    predictions: Predictions, names: Sequence[str], counts: NDArray[np.uint8]
) -> dict[str, list[MetricValue]]:
    """Each metric of each label, for the metrics that speak of single labels."""
    points = label_estimates(predictions, names, _once(predictions))
    replicates = label_estimates(predictions, names, counts)
    labels = range(len(predictions.target.labels))
    return {
        name: [_of_label(predictions, name, label, points[name], replicates[name]) for label in labels]
        for name in names
        if points[name].shape[1] == len(labels)
    }


def label_estimates(
    predictions: Predictions, names: Sequence[str], counts: NDArray[np.uint8]
) -> Mapping[str, NDArray[np.float64]]:
    """By metric, (R, K) estimates of each label, or (R, 1) of all at once; NaN where undefined.

    ``counts`` (N, R) is how often each sample stands in each replicate. Raises `UnknownNameError`.
    """
    for name in names:
        if name not in _ESTIMATES:
            raise UnknownNameError("classification metric", name, _ESTIMATES)
    estimators = _Estimators(predictions, counts, names)
    return {name: _ESTIMATES[name](estimators) for name in names}


class _Estimators:
    """What the metrics are made from, each computed at the first use."""

    def __init__(self, predictions: Predictions, counts: NDArray[np.uint8], names: Sequence[str]) -> None:
        self._predictions = predictions
        self._counts = counts
        self._fields = {_RANKING_FIELDS[name] for name in names if name in _RANKING_FIELDS}

    @cached_property
    def _rankings(self) -> dict[Field, NDArray[np.float64]]:
        return ranking_estimates(self._predictions.truth, self._predictions.scores, self._counts, self._fields)

    def ranking(self, field: Field) -> NDArray[np.float64]:
        return self._rankings[field]

    @cached_property
    def chosen(self) -> Confusion:
        return confusion(self._predictions, self._counts, self._predictions.thresholds)

    @cached_property
    def natural(self) -> Confusion:
        middle = 0.5 if self._predictions.probabilities else 0.0
        return confusion(self._predictions, self._counts, np.full_like(self._predictions.thresholds, middle))

    def ece(self) -> NDArray[np.float64]:
        if not self._predictions.probabilities:
            return np.full((self._counts.shape[1], 1), np.nan)
        return ece_estimates(self._predictions, self._counts)


def zero_where_undefined(auroc: NDArray[np.float64]) -> NDArray[np.float64]:
    """AUROC as torchmetrics 0.8.2, and so the MGCA and MedST releases, averages it: a label of one class alone counts 0."""
    return np.nan_to_num(auroc, nan=0.0)


_RANKING_FIELDS: Mapping[str, Field] = {
    "auroc": "auroc",
    "auroc-as-released": "auroc",
    "ap": "ap",
    "f1-max-on-test": "f1_max",
    "accuracy-at-max-f1": "accuracy_at_f1_max",
}
_ESTIMATES: Mapping[str, Callable[[_Estimators], NDArray[np.float64]]] = {
    "auroc": lambda made: made.ranking("auroc"),
    "ap": lambda made: made.ranking("ap"),
    "f1": lambda made: made.chosen.f1(),
    "micro-f1": lambda made: made.chosen.micro_f1(),
    "sensitivity": lambda made: made.chosen.sensitivity(),
    "specificity": lambda made: made.chosen.specificity(),
    "exact-match": lambda made: made.chosen.all_right,
    "accuracy": lambda made: made.chosen.accuracy(),
    "balanced-accuracy": lambda made: made.chosen.balanced_accuracy(),
    "ece": lambda made: made.ece(),
    "f1-max-on-test": lambda made: made.ranking("f1_max"),
    "accuracy-at-max-f1": lambda made: made.ranking("accuracy_at_f1_max"),
    "auroc-as-released": lambda made: zero_where_undefined(made.ranking("auroc")),
    "f1-as-released": lambda made: made.chosen.f1_zero(),
    "balanced-accuracy-as-released": lambda made: made.natural.balanced_accuracy(),
}


def _of_labelled(predictions: Predictions) -> Predictions:
    rows = np.flatnonzero(predictions.labelled)
    if not len(rows):
        raise TrialError("no prediction has a label to be scored against")
    return predictions if len(rows) == len(predictions) else predictions.take(rows)


def _once(predictions: Predictions) -> NDArray[np.uint8]:
    return np.ones((len(predictions), 1), np.uint8)


def _mean(estimates: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(R,) means of (R, C) estimates over the columns that ``points`` (1, C) define, and that the replicate does."""
    estimates = estimates[:, ~np.isnan(points[0])]
    defined = ~np.isnan(estimates)
    number = defined.sum(axis=1)
    total = np.where(defined, estimates, 0.0).sum(axis=1)
    return np.divide(total, number, out=np.full(len(estimates), np.nan), where=number > 0)


def _over_labels(
    predictions: Predictions, name: str, points: NDArray[np.float64], replicates: NDArray[np.float64]
) -> MetricValue:
    left_out = [label for label in range(points.shape[1]) if np.isnan(points[0, label])]
    reasons = "; ".join(_reason(predictions, name, label) for label in left_out)
    value = _mean(points, points)[0]
    if np.isnan(value):
        return MetricValue(value=None, n=len(predictions), note=reasons)
    note = f"without {reasons}" if reasons else ""
    return _metric_value(name, float(value), _mean(replicates, points), len(predictions), note)


def _of_label(
    predictions: Predictions, name: str, label: int, points: NDArray[np.float64], replicates: NDArray[np.float64]
) -> MetricValue:
    n = int((predictions.truth[:, label] >= 0).sum())
    if np.isnan(points[0, label]):
        return MetricValue(value=None, n=n, note=_reason(predictions, name, label))
    return _metric_value(name, float(points[0, label]), replicates[:, label], n, "")


def _reason(predictions: Predictions, name: str, label: int) -> str:
    """Why ``name`` is undefined on that label: ``Hernia: no positive``."""
    if name == "ece" and not predictions.probabilities:
        return NOT_PROBABILITIES
    truth = predictions.truth[:, label]
    lacks = "no sample"
    if (truth >= 0).any():
        lacks = "no positive" if not (truth == 1).any() or name not in _NEEDS_NEGATIVES else "no negative"
    return f"{predictions.target.labels[label]}: {lacks}"


def _metric_value(name: str, value: float, replicates: NDArray[np.float64], n: int, note: str) -> MetricValue:
    if not -1e-9 <= value <= 1 + 1e-9:
        raise TrialError(f"{name} is {value}, not a share of 1: a defect of the metric")
    interval = interval_of(replicates)
    if interval is None:
        return MetricValue(value=value, n=n, note=note)
    return MetricValue(value=value, low=interval.low, high=interval.high, n=n, note=note)
