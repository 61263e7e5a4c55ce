"""Choosing the similarity above which two sentences are said to mean the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medbench_tasks.temporal.folds import Fold

RELEASED_FOLDS = 10
_RELEASED_STEP = 0.005


def sharing_groups(texts: Sequence[tuple[str, ...]]) -> list[str]:
    """A name for each pair of sentences, the same for pairs that share a sentence, directly or through others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    numbers: dict[str, int] = {}
    places = [
        (pair, numbers.setdefault(" ".join(text.casefold().split()), len(numbers)))
        for pair, sentences in enumerate(texts)
        for text in sentences
    ]
    pairs, sentences = np.array(places, np.int64).reshape(-1, 2).T
    size = len(texts) + len(numbers)
    edges = coo_array((np.ones(len(pairs), np.int8), (pairs, sentences + len(texts))), shape=(size, size))
    _, component = connected_components(edges, directed=False)
    return [str(one) for one in component[: len(texts)]]


def nested_thresholds(
    similarity: NDArray[np.float64], truth: NDArray[np.integer], folds: Sequence[Fold]
) -> NDArray[np.float64]:
    """(N,) for each pair the threshold that is best on the other folds; NaN for pairs of no fold."""
    thresholds = np.full(len(truth), np.nan)
    for train, test in folds:
        thresholds[test] = best_threshold(similarity[train], truth[train])
    return thresholds


def best_threshold(similarity: NDArray[np.float64], truth: NDArray[np.integer]) -> float:
    """A threshold of the highest accuracy, similarity above it meaning 1: halfway between neighbours.

    Of equally good ones it is the middle one, which leaves most room on both sides.
    """
    values = np.unique(similarity)
    candidates = np.concatenate([[values[0] - 1], (values[:-1] + values[1:]) / 2, [values[-1] + 1]])
    accuracy = ((similarity[:, None] > candidates) == (truth[:, None] == 1)).mean(axis=0)
    best = np.flatnonzero(accuracy == accuracy.max())
    return float(candidates[best[len(best) // 2]])


def released_threshold(similarity: NDArray[np.float64], truth: NDArray[np.integer]) -> float | None:
    """The threshold of Med-ST's released script; None for fewer pairs than its ten folds.

    On nine of ten unshuffled folds the first best of 0, 0.005, ..., 1 is taken, and of those ten the one that does best
    on its held-out fold (Med-ST, ICML 2024, temporal sentence similarity): it is chosen on pairs that it is scored on.
    """
    from sklearn.model_selection import KFold

    if len(truth) < RELEASED_FOLDS:
        return None
    grid = np.arange(0, 1 + _RELEASED_STEP, _RELEASED_STEP)
    correct = (similarity[:, None] > grid) == (truth[:, None] == 1)
    chosen = []
    for train, test in KFold(RELEASED_FOLDS).split(similarity):
        place = int(correct[train].mean(axis=0).argmax())
        chosen.append((float(correct[test, place].mean()), float(grid[place])))
    return max(chosen, key=lambda one: one[0])[1]
