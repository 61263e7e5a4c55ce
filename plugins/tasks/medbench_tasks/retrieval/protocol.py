"""The retrieval protocol: images find their texts and texts their images, by a method that was not trained for it here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.errors import UsageError
from medbench.protocols import TrialOutcome
from medbench_tasks.retrieval.recipe import RetrievalRecipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from medbench.protocols import Example, FeatureNeed, GroupValue, ReliabilityBin, TrialContext
    from medbench.records import MetricValue
    from medbench.specs import Recipe, TaskSpec


class RetrievalProtocol:
    """`medbench.protocols.TaskProtocol`, `Analysis` and `Exhibits`.

    A method needs `ImageEncoder` and `TextEncoder`.

    Where it is an `ImageTextMatcher` too, and the recipe says so, the nearest candidates are re-ranked by its match head. A
    `StudyEncoder` is shown the first two images of a study, one that has no second twice.
    """

    def run(self, context: TrialContext) -> TrialOutcome:
        """Rank the whole test part both ways; the training part serves a floor alone, and may be empty.

        Raises `MissingDataError` where no row has both an image and a text, and `TrialError` for features or match scores that
        are not finite.
        """
        from medbench_tasks.retrieval.answers import answers_of
        from medbench_tasks.retrieval.floors import floor_tables
        from medbench_tasks.retrieval.pool import pool_notes, trial_pool
        from medbench_tasks.retrieval.predictions import answer_table

        recipe = _recipe_of(context.recipe, context.task)
        pool = trial_pool(context, context.test)
        answers, matched = answers_of(context, pool, recipe)
        return TrialOutcome(
            predictions=answer_table(pool, answers),
            floors=floor_tables(context.train, pool),
            notes={**pool_notes(pool), "pairs_matched": float(matched)},
        )

    def foreseen(self, context: TrialContext) -> Iterable[FeatureNeed]:
        """The images of the pool, and where candidates are matched after fusion their tokens."""
        from medbench_tasks.retrieval.answers import foreseen_needs
        from medbench_tasks.retrieval.pool import trial_pool

        recipe = _recipe_of(context.recipe, context.task)
        return foreseen_needs(context.features, trial_pool(context, context.test), recipe)

    def score(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> dict[str, MetricValue]:
        """The metrics of ``task`` by name, with intervals over patients."""
        from medbench_tasks.retrieval.metrics import score_answers

        return score_answers(predictions, _names(task))

    def replicates(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Mapping[str, NDArray[np.float64]]:
        """Each metric's bootstrap replicates (`medbench.statistics.REPLICATES`,), NaN where undefined."""
        from medbench_tasks.retrieval.metrics import replicate_answers

        return replicate_answers(predictions, _names(task))

    def groups(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[GroupValue]:
        """Each metric by sex, age band and view of the rows that ask."""
        from medbench_tasks.retrieval.groups import group_values

        return list(group_values(predictions, _names(task)))

    def reliability(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[ReliabilityBin]:
        """None: neither a cosine nor a logit is a probability."""
        return ()

    def examples(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table, count: int) -> Sequence[Example]:
        """Images with the rank of their text, as `medbench_tasks.retrieval.exhibits` says."""
        from medbench_tasks.retrieval.exhibits import show_ranks

        return show_ranks(predictions, count)


PROTOCOL = RetrievalProtocol()


def _recipe_of(recipe: Recipe, task: TaskSpec) -> RetrievalRecipe:
    if not isinstance(recipe, RetrievalRecipe):
        raise UsageError(f"task '{task.id}' gives {type(recipe).__name__}, not a RetrievalRecipe")
    return recipe


def _names(task: TaskSpec) -> list[str]:
    return [metric.name for metric in task.metrics]
