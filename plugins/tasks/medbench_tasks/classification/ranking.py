"""Metrics of a ranking, label by label, for any number of sample weightings at once, ties counted exactly.

A label is sorted once. All that AUROC, average precision and the best F1 need are then sums of whole weights from one
score that has positives to the next: a sparse product for all weightings together, and running sums over few rows.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from medbench.errors import UsageError
from medbench.statistics import replicate_blocks

_EXACT = 2**24
"""Whole numbers below it are exact in float32."""

Field = Literal["auroc", "ap", "f1_max", "accuracy_at_f1_max"]
Estimates = dict[Field, NDArray[np.float64]]


def ranking_estimates(
    truth: NDArray[np.int8], scores: NDArray[np.float64], counts: NDArray[np.uint8], fields: Collection[Field]
) -> Estimates:
    """By field, (R, K) estimates of K labels; NaN where undefined: AUROC without both classes, the others without a positive.

    ``truth`` (N, K) is 1, 0 or -1 (left out), ``scores`` (N, K) are finite, ``counts`` (N, R) says how often each sample stands
    in each replicate.

    ``ap`` is average precision, the sum of precision times the gain in recall over descending scores, not interpolated.
    ``f1_max`` is the best F1 over thresholds at the scores themselves, a score at the threshold counting as present; each
    replicate has its own best. ``accuracy_at_f1_max`` is the accuracy at that threshold (the lowest of equally good ones), a
    score at the threshold now counting as absent: so does the MeDSLIP release, which takes the threshold from a
    precision-recall curve (>=) and then compares with > (zero-shot test scripts).
    """
    if counts.sum(axis=0, dtype=np.int64).max() >= _EXACT:
        raise UsageError(f"a ranking of {len(truth)} samples is beyond what its sums can hold exactly ({_EXACT})")
    rankings = [_Ranking.of(truth[:, label], scores[:, label]) for label in range(truth.shape[1])]
    made: Estimates = {field: np.empty((counts.shape[1], len(rankings))) for field in fields}
    for block in replicate_blocks(counts):
        weights = counts[:, block].astype(np.float32)
        for label, ranking in enumerate(rankings):
            sums = ranking.sums(weights)
            for field in fields:
                made[field][block, label] = getattr(sums, field)()
    return made


@dataclass(frozen=True)
class _Ranking:
    """One label's samples by descending score, as sparse sums over them: a row for each of G distinct scores with positives.

    ``gains`` (G, N) sums the positives at the score, ``alarms`` (G, N) the negatives above it and below the one before,
    ``ties`` (G, N) the negatives at it, None where there are none. ``negatives`` (1, N) sums them all.
    """

    gains: sparse.csr_array
    alarms: sparse.csr_array
    ties: sparse.csr_array | None
    negatives: sparse.csr_array

    @classmethod
    def of(cls, truth: NDArray[np.int8], scores: NDArray[np.float64]) -> _Ranking:
        known = np.flatnonzero(truth >= 0)
        order = known[np.argsort(-scores[known], kind="stable")]
        present = truth[order] == 1
        edges = np.concatenate([[0], np.flatnonzero(np.diff(scores[order])) + 1, [len(order)]])
        hits = np.concatenate([[0], np.cumsum(present)])[edges]
        holding = np.flatnonzero(np.diff(hits))
        positives, negatives = order[present], order[~present]
        start, end = (edges - hits)[holding], (edges - hits)[holding + 1]  # in ranks among the negatives
        before = np.concatenate([[0], end])[: len(holding)]
        width = len(truth)
        return cls(
            gains=_row_sums(positives, hits[holding], hits[holding + 1], width),
            alarms=_row_sums(negatives, before, start, width),
            ties=_row_sums(negatives, start, end, width) if (end > start).any() else None,
            negatives=_row_sums(negatives, np.array([0]), np.array([len(negatives)]), width),
        )

    def sums(self, weights: NDArray[np.float32]) -> _Sums:
        """The running sums under ``weights`` (N, B)."""
        gained = self.gains @ weights
        hits = _running(gained.copy())
        above = self.alarms @ weights
        if self.ties is None:
            down_to = above = _running(above)
        else:
            tied = self.ties @ weights
            down_to = _running(above + tied)
            above = down_to - tied
        positive = hits[-1] if len(hits) else np.zeros(weights.shape[1], np.float32)
        return _Sums(
            gained, hits, above, down_to, positive.astype(np.float64), (self.negatives @ weights)[0].astype(float)
        )


@dataclass(frozen=True)
class _Sums:
    """Weights under B weightings at G distinct scores, descending; all are whole numbers, kept as floats.

    ``gained`` (G, B) positives at the score, ``hits`` positives down to it, ``above`` negatives above it, ``down_to`` negatives
    down to it; ``positive`` and ``negative`` (B,) in all.
    """

    gained: NDArray[np.float32]
    hits: NDArray[np.float32]
    above: NDArray[np.float32]
    down_to: NDArray[np.float32]
    positive: NDArray[np.float64]
    negative: NDArray[np.float64]

    def auroc(self) -> NDArray[np.float64]:
        """Mann-Whitney: the share of pairs whose positive outranks the negative, a tie counting half."""
        lost = _dot(self.gained, self.above) + _dot(self.gained, self.down_to)
        return 1 - _ratio(lost, 2 * self.positive * self.negative)

    def ap(self) -> NDArray[np.float64]:
        return _ratio(_dot(self.gained, self._precision), self.positive)

    def f1_max(self) -> NDArray[np.float64]:
        if not len(self.hits):
            return np.full(len(self.positive), np.nan)
        return np.where(self.positive > 0, self._f1.max(axis=0), np.nan)

    def accuracy_at_f1_max(self) -> NDArray[np.float64]:
        if not len(self.hits):
            return np.full(len(self.positive), np.nan)
        columns = np.arange(len(self.positive))
        best = len(self._f1) - 1 - np.argmax(self._f1[::-1], axis=0)
        hits = (self.hits - self.gained)[best, columns]
        right = hits + self.negative - self.above[best, columns]
        return np.where(self.positive > 0, _ratio(right, self.positive + self.negative), np.nan)

    @cached_property
    def _precision(self) -> NDArray[np.float64]:
        """(G, B); 0 where nothing stands down to the score."""
        everyone = self.hits.astype(np.float64) + self.down_to
        return np.divide(self.hits, np.maximum(everyone, 1, out=everyone), out=everyone)

    @cached_property
    def _f1(self) -> NDArray[np.float64]:
        """(G, B), from precision and recall as the releases do, to the last bit; -1 at a score that the replicate lacks."""
        recall = self.hits / np.maximum(self.positive, 1)
        total = self._precision + recall
        f1 = np.divide(2 * self._precision * recall, total, out=total, where=total > 0)
        f1[self.gained == 0] = -1
        return f1


def _row_sums(
    samples: NDArray[np.int64], start: NDArray[np.int64], end: NDArray[np.int64], width: int
) -> sparse.csr_array:
    """The matrix (len(start), width) whose row i sums the samples ``samples[start[i] : end[i]]``; stretches ascend."""
    lengths = end - start
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    picked = samples[np.arange(bounds[-1]) + np.repeat(start - bounds[:-1], lengths)]
    return sparse.csr_array((np.ones(len(picked), np.float32), picked, bounds), shape=(len(start), width))


def _running(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Running sums down the rows, in place; whole rows at a time, which is faster than ``cumsum(axis=0)``."""
    for index in range(1, len(rows)):
        rows[index] += rows[index - 1]
    return rows


def _dot(one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.float64]:
    """(B,) sums over the rows of the products of two (G, B), in double precision."""
    return np.einsum("gb,gb->b", one, other, dtype=np.float64)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
