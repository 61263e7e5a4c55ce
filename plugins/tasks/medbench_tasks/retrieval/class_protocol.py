"""Retrieval by class: images rank all texts of the pool, and a text is right where it is of the image's class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.errors import UsageError
from medbench.protocols import TrialOutcome
from medbench_tasks.retrieval.class_recipe import ClassRetrievalRecipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from medbench.protocols import Example, FeatureNeed, GroupValue, ReliabilityBin, TrialContext
    from medbench.records import MetricValue
    from medbench.specs import Recipe, TaskSpec

GROUPINGS = ("class", "sex", "age", "view")


class ClassRetrievalProtocol:
    """`medbench.protocols.TaskProtocol`, `Analysis` and `Exhibits`; a method needs `ImageEncoder` and `TextEncoder`.

    A `StudyEncoder` is shown the first two images of a study, one that has no second twice.
    """

    def run(self, context: TrialContext) -> TrialOutcome:
        """Rank every text of the test part for every image.

        Raises `MissingDataError` where no row has an image, a text and one single class, and `TrialError` for features that
        are not finite.
        """
        from medbench_tasks.retrieval.answers import embed
        from medbench_tasks.retrieval.class_pool import class_pool_of
        from medbench_tasks.retrieval.class_predictions import class_table
        from medbench_tasks.retrieval.class_ranking import firsts_of, random_firsts
        from medbench_tasks.retrieval.pool import pool_notes
        from medbench_tasks.retrieval.ranking import Search
        from medbench_tasks.retrieval.recipe import CUTS

        recipe = _checked(context.recipe, context.task)
        asked = class_pool_of(context, recipe.sections)
        pool, classes = asked.pool, asked.classes
        embedded = embed(context.features, pool)
        context.progress.phase("rank", len(pool.rows))
        search = Search(device=context.compute.device, advance=context.progress.advance)
        found = firsts_of(embedded.images[pool.image_of], embedded.texts, pool.text_of, classes, CUTS, search)
        answer, chance = (
            class_table(pool.rows, asked.of_rows, len(pool.row_of), firsts)
            for firsts in (found, random_firsts(classes, CUTS))
        )
        return TrialOutcome(
            predictions=answer,
            floors={"chance": chance},
            notes={**pool_notes(pool), "rows_without_class": float(asked.without_class)},
        )

    def foreseen(self, context: TrialContext) -> Iterable[FeatureNeed]:
        """The images of the pool."""
        from medbench_tasks.retrieval.answers import pool_need
        from medbench_tasks.retrieval.class_pool import class_pool_of

        recipe = _checked(context.recipe, context.task)
        return (pool_need(class_pool_of(context, recipe.sections).pool),)

    def score(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> dict[str, MetricValue]:
        """The metrics of ``task`` by name, with intervals over patients."""
        from medbench_tasks.retrieval.class_metrics import score_classes

        return score_classes(predictions, _names(task))

    def replicates(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Mapping[str, NDArray[np.float64]]:
        """Each metric's bootstrap replicates (`medbench.statistics.REPLICATES`,)."""
        from medbench_tasks.retrieval.class_metrics import replicate_classes

        return replicate_classes(predictions, _names(task))

    def groups(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[GroupValue]:
        """Each metric by class, sex, age band and view of the images that ask."""
        from medbench_tasks.retrieval.class_metrics import score_with
        from medbench_tasks.retrieval.groups import group_values

        return list(group_values(predictions, _names(task), score_with, GROUPINGS))

    def reliability(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[ReliabilityBin]:
        """None: a cosine is no probability."""
        return ()

    def examples(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table, count: int) -> Sequence[Example]:
        """Images with what came first, as `medbench_tasks.retrieval.class_exhibits` says."""
        from medbench_tasks.retrieval.class_exhibits import show_classes

        return show_classes(predictions, count)


PROTOCOL = ClassRetrievalProtocol()


def _checked(recipe: Recipe, task: TaskSpec) -> ClassRetrievalRecipe:
    if not isinstance(recipe, ClassRetrievalRecipe):
        raise UsageError(f"task '{task.id}' gives {type(recipe).__name__}, not a ClassRetrievalRecipe")
    return recipe


def _names(task: TaskSpec) -> list[str]:
    return [metric.name for metric in task.metrics]
