"""What reads reports beyond their words, as the recipe asks: findings, RadGraph and METEOR."""

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
    from medbench_tasks.texts.meteor import MeteorStatistics


@dataclass(frozen=True, slots=True)
class Readers:
    """Made before anything is trained, so that an absent package is told at once; models are loaded at their first use.

    ``meteor`` says whether METEOR is wanted; where it cannot be run there is none.
    """

    labeller: Labeller | None
    grapher: RadGraphF1 | None
    meteor: bool = False

    @classmethod
    def of(cls, recipe: GenerationRecipe, device: str = "cpu", *, meteor: bool = False) -> Readers:
        """The recipe's readers. Raises `UsageError` where a package is absent."""
        return cls(_labeller(recipe, device), _grapher(recipe, device), meteor)

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

    def meteor_statistics(
        self, references: Sequence[str], hypotheses: Sequence[Sequence[str]]
    ) -> list[MeteorStatistics | None]:
        """Those of each list of ``hypotheses`` (N,) beside the ``references`` (N,), by one run of the jar; None without it.

        Raises `TrialError` where the jar fails.
        """
        from medbench_tasks.texts.meteor import MeteorStatistics, missing

        if not self.meteor or missing():
            return [None] * len(hypotheses)
        flat = [text for texts in hypotheses for text in texts]
        found = MeteorStatistics.of([[one] for one in references] * len(hypotheses), flat)
        return [MeteorStatistics(counts) for counts in np.split(found.counts, len(hypotheses))]


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
