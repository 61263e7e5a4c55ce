"""The segmentation protocol: a decoder trained on a method's feature maps, one class against background."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medbench.errors import UsageError
from medbench.masks import encode_mask
from medbench.protocols import TrialOutcome
from medbench.specs import PARTS
from medbench_tasks.segmentation.exhibits import show_masks
from medbench_tasks.segmentation.floors import floor_tables, mean_mask
from medbench_tasks.segmentation.parts import annotated, balanced
from medbench_tasks.segmentation.predictions import means_of, prediction_table, score_table
from medbench_tasks.segmentation.recipe import SegmentationRecipe
from medbench_tasks.subgroups import attributes_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from medbench.manifest import Manifest
    from medbench.protocols import Example, GroupValue, ReliabilityBin, TrialContext
    from medbench.records import MetricValue
    from medbench.samples import Mask
    from medbench.specs import Part, Recipe, TaskSpec
    from medbench_tasks.segmentation.model import BinarySegmentor
    from medbench_tasks.segmentation.samples import SegmentationSamples
    from medbench_tasks.training import FitReport


class SegmentationProtocol:
    """`medbench.protocols.TaskProtocol`, `Analysis` and `Exhibits` for masks; a method needs `DenseImageEncoder`."""

    def run(self, context: TrialContext) -> TrialOutcome:
        """Train a decoder and answer the test part. Rows without a mask annotation are left out and counted in the notes.

        Raises `MissingDataError` where a part has no annotated row, and `TrialError` where training fails.
        """
        recipe = _recipe_of(context)
        _ = context.model  # weights that cannot be used are told before mmseg is imported, ten seconds sooner
        data = _read(context, recipe)
        floor = mean_mask(data.train, context.progress)
        truths = [data.test.truth(index) for index in range(len(data.test))]
        model, report = _train(context, recipe, data)
        answers = _answer(context, model, data.test)
        return TrialOutcome(
            predictions=prediction_table(
                data.test.manifest, predictions=answers, truths=truths, batch_size=recipe.batch_size
            ),
            floors=floor_tables(data.test.manifest, truths, floor, recipe.batch_size),
            notes=_notes(context, data, report),
        )

    def score(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> dict[str, MetricValue]:
        """The metrics of ``task`` by name, with intervals over patients; needs neither model nor torch."""
        values = score_table(predictions)
        return {name: values[name] for name in _names(task)}

    def replicates(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Mapping[str, NDArray[np.float64]]:
        """Each metric's bootstrap replicates (`medbench.statistics.REPLICATES`,), NaN where undefined."""
        replicates = means_of(predictions).replicates()
        return {name: replicates[name] for name in _names(task)}

    def groups(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[GroupValue]:
        """Dice with and without foreground, then each metric by sex, age band and view, where the table has them."""
        return list(means_of(predictions).groups(_names(task), attributes_of(predictions)))

    def reliability(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[ReliabilityBin]:
        """None: the masks that are kept are answers, not probabilities."""
        return ()

    def examples(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table, count: int) -> Sequence[Example]:
        """Masks beside the true ones, as `medbench_tasks.segmentation.exhibits` says."""
        return show_masks(predictions, count)


PROTOCOL = SegmentationProtocol()


def _names(task: TaskSpec) -> list[str]:
    return [metric.name for metric in task.metrics]


@dataclass(frozen=True, slots=True)
class _Data:
    train: SegmentationSamples
    valid: SegmentationSamples
    test: SegmentationSamples


def _recipe_of(context: TrialContext) -> SegmentationRecipe:
    if not isinstance(context.recipe, SegmentationRecipe):
        raise UsageError(f"task '{context.task.id}' gives {type(context.recipe).__name__}, not a SegmentationRecipe")
    return context.recipe


def _read(context: TrialContext, recipe: SegmentationRecipe) -> _Data:
    from medbench_tasks.pixels import SquashedPixels
    from medbench_tasks.segmentation.cropping import SOURCE, CroppedSamples
    from medbench_tasks.segmentation.samples import SegmentationSamples
    from medbench_tasks.training_shares import main_first

    def samples(manifest: Manifest, part: Part, augment_seed: int | None = None) -> SegmentationSamples:
        crops = augment_seed is not None and recipe.augmentation == "crop"
        kind, size = (CroppedSamples, SOURCE) if crops else (SegmentationSamples, recipe.image_size)
        with main_first():
            pixels = SquashedPixels.prepare(manifest, part, size, context)
        return kind(manifest, pixels, recipe, context.progress, augment_seed=augment_seed)

    train, valid, test = (annotated(getattr(context, part), part) for part in PARTS)
    if recipe.balance_train:
        train = balanced(train, context.seed)
    return _Data(
        samples(train, "train", context.seed if recipe.augment else None),
        samples(valid, "valid"),
        samples(test, "test"),
    )


def _train(context: TrialContext, recipe: SegmentationRecipe, data: _Data) -> tuple[BinarySegmentor, FitReport]:
    from medbench_tasks.pyramid import MethodPyramid, encode_features
    from medbench_tasks.segmentation.model import build_segmentor
    from medbench_tasks.segmentation.resunet import STRIDES
    from medbench_tasks.segmentation.validation import MaskScores
    from medbench_tasks.training import fit, seed_everything

    seed_everything(context.seed)
    pyramid = MethodPyramid.from_context(context, strides=STRIDES if recipe.decoder == "resunet" else None)
    model = build_segmentor(pyramid, recipe)
    report = fit(
        model,
        train=encode_features(pyramid, data.train, context),
        valid=encode_features(pyramid, data.valid, context),
        metric=MaskScores(model.decode_head.loss_decode, prefix="mask"),
        monitor=f"mask/{recipe.select}",
        rule="less" if recipe.select == "loss" else "greater",
        scope="mmseg",
        context=context,
    )
    return model, report


def _answer(context: TrialContext, model: BinarySegmentor, test: SegmentationSamples) -> list[Mask]:
    from medbench_tasks.training import predict

    return [encode_mask(answer.pred_sem_seg.data[0].cpu().numpy()) for _, answer in predict(model, test, context)]


def _notes(context: TrialContext, data: _Data, report: FitReport) -> dict[str, float]:
    notes = {
        "train_images": len(data.train),
        "train_without_mask": len(context.train) - len(annotated(context.train, "train")),
        "valid_without_mask": len(context.valid) - len(data.valid),
        "test_without_mask": len(context.test) - len(data.test),
        "epochs": report.epochs,
        "best_epoch": report.best_epoch,
        "best_validation_score": report.best_score,
        "train_seconds": report.seconds,
    }
    return {name: float(value) for name, value in notes.items() if math.isfinite(value)}
