"""The grounding protocol: where a method sees a finding, on the images that show it, without any training."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from medbench.errors import TrialError, UsageError
from medbench.protocols import FeatureNeed, TrialOutcome
from medbench_tasks.grounding.floors import floor_tables
from medbench_tasks.grounding.frames import map_in_frame, placed_size, seen_part
from medbench_tasks.grounding.metrics import count, per_image, replicates_of, score_areas
from medbench_tasks.grounding.predictions import Answer, answer_table, areas_from
from medbench_tasks.grounding.recipe import GroundingRecipe
from medbench_tasks.grounding.truths import asked_label, needed, truths_of
from medbench_tasks.zeroshot.names import finding_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray
    from torch import Tensor

    from medbench.capabilities import Preprocess
    from medbench.protocols import Example, GroupValue, ReliabilityBin, TrialContext
    from medbench.records import MetricValue
    from medbench.specs import Recipe, TaskSpec
    from medbench_tasks.grounding.truths import Truths


class Grounding:
    """`medbench.protocols.TaskProtocol`, `Analysis` and `Exhibits` for places of findings; a method needs `Grounder`."""

    def run(self, context: TrialContext) -> TrialOutcome:
        """Answer the test images that show the finding; the training part serves a floor alone.

        Raises `MissingDataError` where no test image shows it, `UsageError` where the method does not know the finding or lacks
        the map that the recipe asks for, and `TrialError` where its maps are of no use.
        """
        recipe = _recipe_of(context)
        label = asked_label(context.task, context.test)
        test = needed(truths_of(context.test, label, recipe.side), label)
        preprocess = _preprocess(context, recipe)
        maps = _maps(context, test, finding_of(context.task.dataset, label), preprocess, recipe)
        return TrialOutcome(
            predictions=answer_table(test, answers_of(maps, test, preprocess, recipe)),
            floors=floor_tables(context.train, label, test, recipe.side),
            notes={
                "test_without_finding": float(len(context.test) - len(test.manifest) - test.lost),
                "test_finding_too_small": float(test.lost),
            },
        )

    def foreseen(self, context: TrialContext) -> Iterator[FeatureNeed]:
        """The maps of the test images that show the finding."""
        recipe = _recipe_of(context)
        label = asked_label(context.task, context.test)
        test = needed(truths_of(context.test, label, recipe.side), label)
        yield _need(test, finding_of(context.task.dataset, label), _preprocess(context, recipe), recipe)

    def score(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> dict[str, MetricValue]:
        """The metrics of ``task`` by name, with intervals over patients."""
        values = score_areas(areas_from(predictions), predictions.column("patient_id").to_pylist())
        return {metric.name: values[metric.name] for metric in task.metrics}

    def replicates(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Mapping[str, NDArray[np.float64]]:
        """Each metric's bootstrap replicates, as `medbench.protocols.Analysis`."""
        replicates = replicates_of(per_image(areas_from(predictions)), predictions.column("patient_id").to_pylist())
        return {metric.name: replicates[metric.name] for metric in task.metrics}

    def groups(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[GroupValue]:
        """None: a task has a single finding, on few images."""
        return ()

    def reliability(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[ReliabilityBin]:
        """None: relevance is no probability."""
        return ()

    def examples(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table, count: int) -> Sequence[Example]:
        """Maps over what was drawn, as `medbench_tasks.grounding.exhibits` says."""
        from medbench_tasks.grounding.exhibits import show_maps

        return show_maps(predictions, ", ".join(task.target.labels) if task.target else "", count)


PROTOCOL = Grounding()


def answers_of(
    maps: NDArray[np.float32], test: Truths, preprocess: Preprocess, recipe: GroundingRecipe
) -> list[Answer]:
    """What (N, h, w) maps answer on the images of ``test``, in order."""
    threshold = _threshold(recipe, maps.shape[1] * maps.shape[2])
    answers = []
    for index, (own, scaled) in enumerate(zip(maps, _scaled(maps, recipe), strict=True)):
        row = test.manifest.row(index)
        height, width = placed_size(row.height, row.width, preprocess, test.manifest.side)
        frame = map_in_frame(scaled, height, width, preprocess, recipe.side)
        seen = seen_part(height, width, preprocess)
        answers.append(Answer(count(frame, test.masks[index], threshold), own, seen))
    return answers


def _recipe_of(context: TrialContext) -> GroundingRecipe:
    if not isinstance(context.recipe, GroundingRecipe):
        raise UsageError(f"task '{context.task.id}' gives {type(context.recipe).__name__}, not a GroundingRecipe")
    return context.recipe


def _maps(
    context: TrialContext, test: Truths, finding: str, preprocess: Preprocess, recipe: GroundingRecipe
) -> NDArray[np.float32]:
    """(N, h, w) relevance. Raises `TrialError` unless the method gives one map an image, or where they are not finite."""
    maps = context.features.answer(_need(test, finding, preprocess, recipe))
    if maps.ndim != 4 or maps.shape[:2] != (len(test.manifest), 1) or 0 in maps.shape:
        raise TrialError(f"the method's maps of '{finding}' have shape {maps.shape}, not (images, 1, height, width)")
    return maps[:, 0]


def _preprocess(context: TrialContext, recipe: GroundingRecipe) -> Preprocess:
    own = context.features.preprocess
    return dataclasses.replace(own, equalise=recipe.equalise or own.equalise)


def _need(test: Truths, finding: str, preprocess: Preprocess, recipe: GroundingRecipe) -> FeatureNeed:
    form = f"{recipe.map}{'-released' if recipe.released_stream else ''}"
    return FeatureNeed(
        name=f"ground-{form}-{hashlib.sha256(finding.encode()).hexdigest()[:16]}",
        apply=lambda model, images: _asked(model, recipe)(images, [finding]),
        manifest=test.manifest,
        preprocess=preprocess,
        reads_texts=True,
    )


def _asked(model: Any, recipe: GroundingRecipe) -> Callable[..., Tensor]:
    """What gives the model's maps in the form that the recipe asks for. Raises `UsageError` where the model lacks it."""
    ground: Callable[..., Tensor] | None = getattr(
        model, "ground" if recipe.map == "attention" else "ground_product", None
    )
    if ground is None:
        raise UsageError(f"the method has no {recipe.map} maps", fix="set map=attention")
    if not recipe.released_stream:
        return ground
    if "as_released" not in inspect.signature(ground).parameters:
        raise UsageError("the method's maps have no released form of their own", fix="set released_stream=false")
    return partial(ground, as_released=True)


def _scaled(maps: NDArray[np.float32], recipe: GroundingRecipe) -> NDArray[np.float32]:
    """Maps as the threshold is applied to them; batches are in the order of the test images that show the finding."""
    if recipe.divide_by == "nothing":
        return maps
    scaled = np.zeros_like(maps)
    for start in range(0, len(maps), recipe.batch_size):
        batch = maps[start : start + recipe.batch_size]
        if batch.max() <= 0:
            raise TrialError("the method's maps have no positive relevance to divide by", fix="use recipe 'standard'")
        scaled[start : start + recipe.batch_size] = batch / batch.max()
    return scaled


def _threshold(recipe: GroundingRecipe, cells: int) -> float:
    return recipe.threshold * recipe.cells / cells if recipe.divide_by == "nothing" else recipe.threshold
