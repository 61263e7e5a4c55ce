"""What a frozen protocol works on: features and truth of the labelled samples of each part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medbench.errors import UsageError
from medbench.needs import image_need
from medbench.specs import PARTS
from medbench_tasks.classification.floors import floor_tables
from medbench_tasks.classification.predictions import prediction_table
from medbench_tasks.classification.targets import labelled, settle, truth_of
from medbench_tasks.classification.thresholds import f1_thresholds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

    from medbench.manifest import Manifest
    from medbench.protocols import FeatureNeed, TrialContext
    from medbench.specs import Part, Target
    from medbench_tasks.classification.recipe import LabelRecipe


@dataclass(frozen=True, slots=True)
class FrozenPart:
    """The N labelled samples of a part: ``features`` (N, D) float32, ``truth`` (N, K) 1, 0 or -1 masked."""

    manifest: Manifest
    features: NDArray[np.float32]
    truth: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class FrozenParts:
    """The three parts of a trial under its settled ``target``."""

    target: Target
    train: FrozenPart
    valid: FrozenPart
    test: FrozenPart

    @staticmethod
    def of(context: TrialContext, recipe: LabelRecipe) -> FrozenParts:
        """Encode what is labelled. Raises `MissingDataError` where a part has no label, as `settle` and `truth_of` do besides.

        An ``auto`` target is settled on the whole dataset: one kind for a row of a table.
        """
        target = _target(context)

        def part(name: Part) -> FrozenPart:
            rows = labelled(getattr(context, name), name, target, recipe)
            return FrozenPart(rows, context.features.encode(rows), truth_of(rows, target, recipe))

        return FrozenParts(target, part("train"), part("valid"), part("test"))

    @staticmethod
    def foreseen(context: TrialContext, recipe: LabelRecipe) -> Iterator[FeatureNeed]:
        """What `of` asks of the encoder. Raises as `of`."""
        target = _target(context)
        for name in PARTS:
            yield image_need(labelled(getattr(context, name), name, target, recipe))

    def tables(
        self, valid_scores: NDArray[np.float64], test_scores: NDArray[np.float64]
    ) -> tuple[pa.Table, Mapping[str, pa.Table]]:
        """The predictions on the test part with thresholds from validation, and the floors."""
        predictions = prediction_table(
            self.test.manifest,
            self.target,
            truth=self.test.truth,
            scores=test_scores,
            thresholds=f1_thresholds(self.valid.truth, valid_scores),
        )
        return predictions, floor_tables(self.test.manifest, self.target, self.train.truth, self.test.truth)

    def sizes(self) -> dict[str, float]:
        """For the notes: the samples used, and the labels of which training shows one answer at most."""
        known = [column[column >= 0] for column in self.train.truth.T]
        return {
            "train_images": len(self.train.truth),
            "valid_images": len(self.valid.truth),
            "labels_with_one_answer_in_train": sum(len(np.unique(column)) < 2 for column in known),
        }


def _target(context: TrialContext) -> Target:
    if context.task.target is None:
        raise UsageError(f"task '{context.task.id}' names no target", fix="give its TaskSpec a Target")
    return settle(context.task.target, context.dataset)
