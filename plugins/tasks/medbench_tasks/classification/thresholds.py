"""Thresholds for hard answers, chosen on validation and never on the test part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNDECIDED = 0.5


def f1_thresholds(truth: NDArray[np.int8], scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """(K,) thresholds that maximise each label's F1 on ``truth`` and ``scores`` (N, K); -1 in ``truth`` is masked.

    A score above its threshold answers present. The threshold lies half way between the two scores that it parts, so that it
    hangs on neither; of equally good ones it is the highest. It is 0.5 where the label has no positive or no negative here.
    """
    columns = range(truth.shape[1])
    return np.array([_best(truth[:, column], np.asarray(scores[:, column], np.float64)) for column in columns])


def _best(truth: NDArray[np.int8], scores: NDArray[np.float64]) -> float:
    known = truth >= 0
    truth, scores = truth[known] == 1, scores[known]
    if truth.all() or not truth.any():  # no sample at all is both
        return UNDECIDED
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # the last rank of each distinct score
    hits = np.cumsum(truth[order])[last]
    best = last[int(np.argmax(2 * hits / (last + 1 + truth.sum())))]
    if best == len(ranked) - 1:  # all present is best: anything below the lowest score
        return float(np.nextafter(ranked[best], -np.inf))
    upper, lower = float(ranked[best]), float(ranked[best + 1])
    middle = lower + (upper - lower) / 2
    return middle if middle < upper else lower
