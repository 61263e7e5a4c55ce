"""The recipes and metrics of the two temporal protocols, as plain data; importable without numpy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from medbench.specs import MetricSpec, Recipe
from medbench_tasks.recipe_checks import check_choices, check_positive, check_whole_numbers

IMAGE_METRICS = (
    MetricSpec(name="balanced-accuracy", title="Balanced accuracy (mean over findings)"),
    MetricSpec(name="accuracy", title="Accuracy (mean over findings)"),
    MetricSpec(
        name="accuracy-as-released", title="Accuracy (mean over folds, 4 decimals, and findings)", as_released=True
    ),
)
"""The first ranks: in accuracy a constant answer beats published models on pneumonia and pneumothorax."""

SENTENCE_METRICS = (
    MetricSpec(name="auroc", title="AUROC"),
    MetricSpec(name="accuracy", title="Accuracy (threshold from the other folds)"),
    MetricSpec(
        name="accuracy-as-released", title="Accuracy at a threshold chosen on the pairs scored", as_released=True
    ),
)
"""The first ranks: it needs no threshold."""


@dataclass(frozen=True, kw_only=True)
class PairRecipe(Recipe):
    """A linear support-vector classifier on the features of image pairs, finding by finding, cross-validated.

    ``division`` says how pairs are put into ``folds``: by ``patient``, stratified and shuffled by the trial's seed, or
    ``as-released``, where the seed shuffles the whole table, and the pairs with the finding are then stratified in that
    order, whoever's they are. ``cost`` is the classifier's C. A field out of its range or choices raises `UsageError`.
    """

    seeds: tuple[int, ...] = (42, 100, 666)
    division: Literal["patient", "as-released"] = "patient"
    folds: Literal[5, 10] = 5
    cost: float = 1.0

    def __post_init__(self) -> None:
        check_choices(self)
        check_positive(self, "cost")


STANDARD_PAIRS = PairRecipe()
"""Sound practice: all pairs of a patient lie in one fold."""

STANDARD_PAIRS_10 = replace(STANDARD_PAIRS, folds=10)

RELEASED_PAIRS = replace(STANDARD_PAIRS, division="as-released")
"""Med-ST's released script (ICML 2024), 5 folds and its three seeds; a patient's pairs may lie in several folds."""

RELEASED_PAIRS_10 = replace(RELEASED_PAIRS, folds=10)


@dataclass(frozen=True, kw_only=True)
class SentenceRecipe(Recipe):
    """Cosine similarity of two sentences; pairs that share a sentence lie in the same of ``folds``.

    The folds serve the honest accuracy alone, whose threshold comes from the other folds; the seed shuffles them.
    """

    folds: int = 10

    def __post_init__(self) -> None:
        check_whole_numbers(self, {"folds": 2})


STANDARD_SENTENCES = SentenceRecipe()
