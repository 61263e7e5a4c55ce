"""What reads reports for their content, as the recipe asks: findings, and RadGraph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from medbench_tasks.generation.recipe import GenerationRecipe
    from medbench_tasks.texts.finding_models import RadGraphF1
    from medbench_tasks.texts.findings import Labeller


@dataclass(frozen=True, slots=True)
class Readers:
    """Made before anything is trained, so that an absent package is told at once; models are loaded at their first use."""

    labeller: Labeller | None
    grapher: RadGraphF1 | None

    @classmethod
    def of(cls, recipe: GenerationRecipe, device: str = "cpu") -> Readers:
        """The recipe's readers. Raises `UsageError` where a package is absent."""
        return cls(_labeller(recipe, device), _grapher(recipe, device))

    @property
    def versions(self) -> tuple[str, str]:
        """Of the labeller and the grapher, '' where there is none."""
        return self.labeller.version if self.labeller else "", self.grapher.version if self.grapher else ""

    def findings(self, reports: Sequence[str]) -> NDArray[np.int8]:
        """(N, 14) findings, see `medbench_tasks.texts.findings.Labeller`; (N, 0) without one."""
        return self.labeller.label(reports) if self.labeller else np.zeros((len(reports), 0), np.int8)

    def graph_scores(self, reports: Sequence[str], written: Sequence[str]) -> list[float | None]:
        """RadGraph F1 of each pair; None without a grapher."""
        return self.grapher.scores(reports, written).tolist() if self.grapher else [None] * len(reports)


def _labeller(recipe: GenerationRecipe, device: str) -> Labeller | None:
    if recipe.labeller == "none":
        return None
    if recipe.labeller == "chexbert":
        from medbench_tasks.texts.finding_models import CheXbert

        return CheXbert(device)
    from medbench_tasks.texts.findings import FindingLabeller

    return FindingLabeller()


def _grapher(recipe: GenerationRecipe, device: str) -> RadGraphF1 | None:
    if not recipe.radgraph:
        return None
    from medbench_tasks.texts.finding_models import RadGraphF1

    return RadGraphF1(cuda=0 if device == "cuda" else -1)
