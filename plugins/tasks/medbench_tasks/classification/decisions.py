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

    def f1(self) -> NDArray[np.float64]:
        """(R, K) ``2 TP / (2 TP + FP + FN)``; NaN without a positive."""
        hits = 2 * self.true_positive
        f1 = _ratio(hits, hits + self.false_positive + self.false_negative)
        return np.where(self.true_positive + self.false_negative > 0, f1, np.nan)

    def accuracy(self) -> NDArray[np.float64]:
        """(R, K) the share of right answers of each label; (R, 1) of samples with the right class, where they exclude."""
        if self.multi_class:
            samples = (self.true_positive + self.false_negative).sum(axis=1, keepdims=True)
            return _ratio(self.true_positive.sum(axis=1, keepdims=True), samples)
        right = self.true_positive + self.true_negative
        return _ratio(right, right + self.false_positive + self.false_negative)

    def balanced_accuracy(self) -> NDArray[np.float64]:
        """(R, K) the mean of sensitivity and specificity of each label; each class's sensitivity, where they exclude."""
        sensitivity = _ratio(self.true_positive, self.true_positive + self.false_negative)
        if self.multi_class:
            return sensitivity
        return (sensitivity + _ratio(self.true_negative, self.true_negative + self.false_positive)) / 2


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
    return Confusion(hits, false_alarms, misses, rejections, predictions.multi_class)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
