"""The zero-shot protocol: labels asked in words, of a method that was trained on none of them here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from medbench.errors import UsageError
from medbench.protocols import TrialOutcome
from medbench.specs import Target
from medbench_tasks.classification.floors import floor_tables
from medbench_tasks.classification.predictions import prediction_table
from medbench_tasks.classification.scoring import ClassificationScoring
from medbench_tasks.classification.targets import MASKED, labelled, settle, truth_of
from medbench_tasks.classification.thresholds import f1_thresholds
from medbench_tasks.zeroshot.askers import asker_of
from medbench_tasks.zeroshot.recipe import ZeroShotRecipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from medbench.manifest import Manifest
    from medbench.protocols import FeatureNeed, TrialContext
    from medbench_tasks.zeroshot.askers import Asker


class ZeroShot(ClassificationScoring):
    """`medbench.protocols.TaskProtocol`; a method needs `ImageEncoder` and `TextEncoder`, or `QueryClassifier`."""

    def run(self, context: TrialContext) -> TrialOutcome:
        """Score the labelled test images.

        The training part serves the constant floor alone, and the validation part the thresholds, where the recipe asks for
        it; either may be empty. Raises `MissingDataError` where no test image is labelled, `UsageError` for prompts or
        queries that the labels lack, and `TrialError` for scores that are not finite.
        """
        recipe, target, test, asker = _asked(context)
        scores = asker.scores(test)
        truth = truth_of(test, target, recipe)
        thresholds, chosen = _thresholds(context, recipe, target, asker)
        return TrialOutcome(
            predictions=prediction_table(
                test, target, truth=truth, scores=scores, thresholds=thresholds, probabilities=asker.probabilities
            ),
            floors=floor_tables(test, target, truth_of(context.train, target, recipe), truth),
            notes={
                "test_unlabelled": float(len(context.test) - len(test)),
                "thresholds_from_validation": float(chosen),
            },
        )

    def foreseen(self, context: TrialContext) -> Iterator[FeatureNeed]:
        """The labelled test images, and those of the validation part where thresholds are chosen on it."""
        recipe, target, test, asker = _asked(context)
        yield asker.need(test)
        chosen_on = _chosen_on(context, recipe, target)
        if chosen_on is not None:
            yield asker.need(chosen_on.manifest)


PROTOCOL = ZeroShot()


class _Asked(NamedTuple):
    recipe: ZeroShotRecipe
    target: Target
    test: Manifest
    asker: Asker


def _asked(context: TrialContext) -> _Asked:
    recipe = _recipe_of(context)
    target = settle(context.task.target or Target(kind="auto"), context.dataset)
    test = labelled(context.test, "test", target, recipe)
    return _Asked(recipe, target, test, asker_of(context, recipe, target))


def _recipe_of(context: TrialContext) -> ZeroShotRecipe:
    if not isinstance(context.recipe, ZeroShotRecipe):
        raise UsageError(f"task '{context.task.id}' gives {type(context.recipe).__name__}, not a ZeroShotRecipe")
    return context.recipe


def _thresholds(
    context: TrialContext, recipe: ZeroShotRecipe, target: Target, asker: Asker
) -> tuple[NDArray[np.float64], int]:
    """(K,) thresholds, and how many were chosen on the validation part, which is encoded only where it can choose any."""
    fixed = np.full(len(target.labels), asker.decision)
    valid = _chosen_on(context, recipe, target)
    if valid is None:
        return fixed, 0
    thresholds = f1_thresholds(valid.truth, asker.scores(valid.manifest))
    return np.where(valid.decided, thresholds, fixed), int(valid.decided.sum())


class _Choosing(NamedTuple):
    """Labelled rows, their truth (N, K), and of which labels (K,) they show both answers."""

    manifest: Manifest
    truth: NDArray[np.int8]
    decided: NDArray[np.bool_]


def _chosen_on(context: TrialContext, recipe: ZeroShotRecipe, target: Target) -> _Choosing | None:
    """What of the validation part thresholds are chosen on; None where they are fixed."""
    if target.kind == "multi-class" or recipe.thresholds == "fixed" or not len(context.valid):
        return None
    truth = truth_of(context.valid, target, recipe)
    keep = np.flatnonzero((truth != MASKED).any(axis=1))
    truth = truth[keep]
    both = (truth == 1).any(axis=0) & (truth == 0).any(axis=0)
    return _Choosing(context.valid.take(keep.tolist()), truth, both) if both.any() else None
