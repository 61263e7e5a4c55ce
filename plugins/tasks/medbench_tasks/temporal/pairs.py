"""What a frozen encoder says of image pairs, and what a linear classifier makes of it fold by fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from medbench.needs import image_need
from medbench_tasks.temporal.folds import Fold, grouped_folds, released_folds
from medbench_tasks.vectors import unit_length

if TYPE_CHECKING:
    from medbench.features import Features
    from medbench.manifest import Manifest
    from medbench.protocols import FeatureNeed
    from medbench_tasks.temporal.recipe import PairRecipe

_BOTH: tuple[Literal["image", "previous"], ...] = ("image", "previous")


def pair_features(features: Features, manifest: Manifest) -> NDArray[np.float32]:
    """(N, 2 D): the features of the current images, then those of the previous ones, each of unit length.

    They are in the joint space where the method has one, as Med-ST's released script takes them, and the raw features of
    its encoder where it has none. Raises `TrialError` where they are not finite, or a sample is no pair.
    """
    joint = "TextEncoder" in features.capabilities
    halves = []
    for image in _BOTH:
        encoded = features.encode(manifest, image=image)
        halves.append(unit_length(features.project(encoded) if joint else encoded))
    return np.concatenate(halves, axis=1)


def pair_needs(manifest: Manifest) -> list[FeatureNeed]:
    """The current images, and the previous ones."""
    return [image_need(manifest, image=image) for image in _BOTH]


def folds_of(
    truth: NDArray[np.integer], patient_ids: Sequence[str], recipe: PairRecipe, seed: int
) -> list[list[Fold] | None]:
    """For each finding, a column of ``truth`` (N, F), its folds, or None where it cannot be divided."""
    if recipe.division == "as-released":
        return [released_folds(column, recipe.folds, seed) for column in truth.T]
    return [grouped_folds(column, patient_ids, recipe.folds, seed) for column in truth.T]


def classify(
    features: NDArray[np.float32], truth: NDArray[np.integer], folds: Sequence[Fold], cost: float
) -> NDArray[np.int8]:
    """(N,) the class that a linear SVC trained on the other folds gives each row of a fold; -1 for rows of none."""
    from sklearn.svm import SVC

    answers = np.full(len(truth), -1, np.int8)
    for train, test in folds:
        if len(np.unique(truth[train])) > 1:
            answers[test] = SVC(kernel="linear", C=cost).fit(features[train], truth[train]).predict(features[test])
        else:
            answers[test] = truth[train][0]
    return answers


def majority(truth: NDArray[np.integer], folds: Sequence[Fold]) -> NDArray[np.int8]:
    """(N,) the most frequent class of the other folds (of equally frequent ones the first); -1 for rows of no fold."""
    answers = np.full(len(truth), -1, np.int8)
    for train, test in folds:
        answers[test] = np.bincount(truth[train]).argmax()
    return answers


def fold_numbers(count: int, folds: Sequence[Fold]) -> NDArray[np.int8]:
    """(count,) the fold that each row is answered in; -1 for rows of none."""
    numbers = np.full(count, -1, np.int8)
    for number, fold in enumerate(folds):
        numbers[fold.test] = number
    return numbers
