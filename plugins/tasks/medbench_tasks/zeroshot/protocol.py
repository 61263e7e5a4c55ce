"""The zero-shot protocol: labels asked in words, of a method that was trained on none of them here."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    from numpy.typing import NDArray

    from medbench.manifest import Manifest
    from medbench.protocols import TrialContext
    from medbench_tasks.zeroshot.askers import Asker


class ZeroShot(ClassificationScoring):
    """`medbench.protocols.TaskProtocol`; a method needs `ImageEncoder` and `TextEncoder`, or `QueryClassifier`."""

    def run(self, context: TrialContext) -> TrialOutcome:
        """Score the labelled test images.

        The training part serves the constant floor alone, and the validation part the thresholds, where the recipe asks for
        it; either may be empty. Raises `MissingDataError` where no test image is labelled, `UsageError` for prompts or
        queries that the labels lack, and `TrialError` for scores that are not finite.
        """
        recipe = _recipe_of(context)
        target = settle(context.task.target or Target(kind="auto"), context.dataset)
        test = labelled(context.test, "test", target, recipe)
        asker = asker_of(context, recipe, target)
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


PROTOCOL = ZeroShot()


def _recipe_of(context: TrialContext) -> ZeroShotRecipe:
    if not isinstance(context.recipe, ZeroShotRecipe):
        raise UsageError(f"task '{context.task.id}' gives {type(context.recipe).__name__}, not a ZeroShotRecipe")
    return context.recipe


def _thresholds(
    context: TrialContext, recipe: ZeroShotRecipe, target: Target, asker: Asker
) -> tuple[NDArray[np.float64], int]:
    """(K,) thresholds, and how many were chosen on the validation part, which is encoded only where it can choose any."""
    fixed = np.full(len(target.labels), asker.decision)
    if target.kind == "multi-class" or recipe.thresholds == "fixed" or not len(context.valid):
        return fixed, 0
    valid, truth = _with_labels(context.valid, truth_of(context.valid, target, recipe))
    both = (truth == 1).any(axis=0) & (truth == 0).any(axis=0)
    if not both.any():
        return fixed, 0
    return np.where(both, f1_thresholds(truth, asker.scores(valid)), fixed), int(both.sum())


def _with_labels(manifest: Manifest, truth: NDArray[np.int8]) -> tuple[Manifest, NDArray[np.int8]]:
    keep = np.flatnonzero((truth != MASKED).any(axis=1))
    return manifest.take(keep.tolist()), truth[keep]
