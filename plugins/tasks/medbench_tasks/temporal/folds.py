"""Dividing labelled samples into folds, with scikit-learn's splitters."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


class Fold(NamedTuple):
    """The rows to train on, in the order in which a classifier is to see them, and the rows to answer."""

    train: Rows
    test: Rows


def grouped_folds(truth: NDArray[np.integer], groups: Sequence[str], folds: int, seed: int) -> list[Fold] | None:
    """Folds of the rows whose ``truth`` (N,) is not negative: stratified, no group in two, shuffled by ``seed``.

    None where they cannot be divided: fewer groups than folds, fewer rows of every class than folds, or one class only.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    rows = np.flatnonzero(truth >= 0)
    names = np.asarray(groups, dtype=str)[rows]
    if not _divisible(truth[rows], folds) or len(np.unique(names)) < folds:
        return None
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    return _folds(rows, splitter, truth[rows], names)


def released_folds(truth: NDArray[np.integer], folds: int, seed: int) -> list[Fold] | None:
    """Folds as Med-ST's released script makes them; None as for `grouped_folds`, groups apart.

    The rows of the whole table are shuffled, as pandas' ``sample(frac=1, random_state=seed)`` does; those with a label are
    then stratified without shuffling again.
    """
    from sklearn.model_selection import StratifiedKFold

    order = np.random.RandomState(seed).permutation(len(truth))
    rows = order[truth[order] >= 0]
    if not _divisible(truth[rows], folds):
        return None
    return _folds(rows, StratifiedKFold(n_splits=folds), truth[rows], None)


def _divisible(truth: NDArray[np.integer], folds: int) -> bool:
    sizes = np.unique(truth, return_counts=True)[1]
    return len(sizes) > 1 and int(sizes.max()) >= folds


def _folds(rows: Rows, splitter: Any, truth: NDArray[np.integer], groups: NDArray[np.str_] | None) -> list[Fold]:
    with warnings.catch_warnings():
        # A class with fewer rows than folds is absent from some of them, which balanced accuracy over all folds bears.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        parts: Iterable[tuple[Rows, Rows]] = list(splitter.split(np.zeros(len(rows)), truth, groups))
    return [Fold(rows[train], rows[test]) for train, test in parts if len(test)]
