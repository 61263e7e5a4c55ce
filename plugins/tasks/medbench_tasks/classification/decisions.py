"""Metrics of hard answers, for any number of sample weightings at once: all are ratios of weighted counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medbench.statistics import weighted_sums
from medbench_tasks.classification.predictions import Predictions


@dataclass(frozen=True)
class Confusion:
    """(R, K) weighted counts of each label's answers; ``multi_class`` says that the labels exclude each other."""

    true_positive: NDArray[np.float64]
    false_positive: NDArray[np.float64]
    false_negative: NDArray[np.float64]
    true_negative: NDArray[np.float64]
    multi_class: bool
    all_right: NDArray[np.float64]
    """(R, 1) the weighted share of samples whose every known label is answered rightly."""

    def f1(self) -> NDArray[np.float64]:
        """(R, K) ``2 TP / (2 TP + FP + FN)``; NaN without a positive."""
        hits = 2 * self.true_positive
        f1 = _ratio(hits, hits + self.false_positive + self.false_negative)
        return np.where(self.true_positive + self.false_negative > 0, f1, np.nan)

    def f1_zero(self) -> NDArray[np.float64]:
        """(R, K) as `f1`, with 0 for a label that is neither present nor answered, as scikit-learn's default averages it."""
        hits = 2 * self.true_positive
        wrong = self.false_positive + self.false_negative
        return np.divide(hits, hits + wrong, out=np.zeros_like(hits), where=hits + wrong > 0)

    def micro_f1(self) -> NDArray[np.float64]:
        """(R, 1) F1 over the decisions of all labels together; NaN without a positive."""
        sums = (self.true_positive, self.false_positive, self.false_negative)
        hits, false_alarms, misses = (one.sum(axis=1, keepdims=True) for one in sums)
        return np.where(hits + misses > 0, _ratio(2 * hits, 2 * hits + false_alarms + misses), np.nan)

    def sensitivity(self) -> NDArray[np.float64]:
        """(R, K) the share of a label's positives that is found; NaN without a positive."""
        return _ratio(self.true_positive, self.true_positive + self.false_negative)

    def specificity(self) -> NDArray[np.float64]:
        """(R, K) the share of a label's negatives that is left alone; NaN without a negative."""
        return _ratio(self.true_negative, self.true_negative + self.false_positive)

    def accuracy(self) -> NDArray[np.float64]:
        """(R, K) the share of right answers of each label; (R, 1) of samples with the right class, where they exclude."""
        if self.multi_class:
            samples = (self.true_positive + self.false_negative).sum(axis=1, keepdims=True)
            return _ratio(self.true_positive.sum(axis=1, keepdims=True), samples)
        right = self.true_positive + self.true_negative
        return _ratio(right, right + self.false_positive + self.false_negative)

    def balanced_accuracy(self) -> NDArray[np.float64]:
        """(R, K) the mean of sensitivity and specificity of each label; each class's sensitivity, where they exclude."""
        if self.multi_class:
            return self.sensitivity()
        return (self.sensitivity() + self.specificity()) / 2


def confusion(predictions: Predictions, counts: NDArray[np.uint8], thresholds: NDArray[np.float64]) -> Confusion:
    """The counts of hard answers, ``score > threshold`` for ``thresholds`` (K,); multi-class: the first highest score."""
    scores, truth = predictions.scores, predictions.truth
    answer = scores > thresholds
    if predictions.multi_class:
        answer = np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]
    present, absent = truth == 1, truth == 0
    parts = [answer & present, answer & absent, ~answer & present, ~answer & absent]
    sums = weighted_sums(np.concatenate(parts, axis=1).astype(np.float64), counts)
    hits, false_alarms, misses, rejections = np.split(sums, 4, axis=1)
    right = ((answer == present) | (truth < 0)).all(axis=1, keepdims=True)
    whole = weighted_sums(np.concatenate([right, np.ones_like(right)], axis=1).astype(np.float64), counts)
    return Confusion(
        hits, false_alarms, misses, rejections, predictions.multi_class, _ratio(whole[:, :1], whole[:, 1:])
    )


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
