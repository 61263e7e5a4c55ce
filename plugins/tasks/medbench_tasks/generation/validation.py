"""What is measured on the validation part, to choose the best epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mmengine.evaluator import BaseMetric

from medbench_tasks.generation.studies import as_compared, hypothesis_of
from medbench_tasks.texts.measures import TextMeasures

if TYPE_CHECKING:
    from medbench_tasks.generation.recipe import GenerationRecipe

PREFIX = "valid"
TIE = 1e-9
"""What an epoch adds to the score, so that of equal scores that of the later epoch is higher."""


class ReportScores(BaseMetric):  # type: ignore[misc]
    """The recipe's ``select`` of the reports written, plus `TIE` times the number of the ``epoch``."""

    def __init__(self, recipe: GenerationRecipe, epoch: Callable[[], int]) -> None:
        super().__init__(prefix=PREFIX)
        self._recipe = recipe
        self._epoch = epoch

    def process(self, data_batch: Any, data_samples: Sequence[str]) -> None:
        """Keep what was written for a batch, and its references."""
        self.results += zip(data_batch["data_samples"], data_samples, strict=True)

    def compute_metrics(self, results: list[tuple[str, str]]) -> dict[str, float]:
        """The score under its name."""
        references = [[as_compared(reference, self._recipe)] for reference, _ in results]
        written = [hypothesis_of(text, self._recipe) for _, text in results]
        value = TextMeasures.of(references, written).values()[self._recipe.select]
        return {self._recipe.select: value + TIE * self._epoch()}
