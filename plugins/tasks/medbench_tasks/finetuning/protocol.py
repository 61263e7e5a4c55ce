"""The fine-tuning protocol: a linear head trained over images, with the encoder or on top of it.

It also trains the published linear probes, whose images are augmented anew in every epoch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medbench.errors import PluginError, UsageError
from medbench.protocols import TrialOutcome
from medbench.specs import PARTS, Target
from medbench_tasks.classification.scoring import ClassificationScoring
from medbench_tasks.finetuning.recipe import FineTuningRecipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn
    from torch.utils.data import Dataset

    from medbench.capabilities import Preprocess
    from medbench.manifest import Manifest
    from medbench.protocols import TrialContext
    from medbench.specs import Part
    from medbench_tasks.finetuning.model import ImageClassifier, Kind
    from medbench_tasks.finetuning.validation import Score
    from medbench_tasks.training import FitReport


class FineTuning(ClassificationScoring):
    """`medbench.protocols.TaskProtocol` for a head trained over images; a method needs the `ImageEncoder` capability."""

    def run(self, context: TrialContext) -> TrialOutcome:
        """Train on ``context.train``, choose the epoch and the thresholds on ``context.valid``, answer ``context.test``.

        Rows without a usable label are left out and counted in the notes. Raises `MissingDataError` where a part has none
        left, `TrialError` where training fails, and `ImageError` for an image that cannot be read.
        """
        from medbench_tasks.classification.floors import floor_tables
        from medbench_tasks.classification.predictions import prediction_table

        recipe = _recipe_of(context)
        data = _read(context, recipe)
        model, report, select = _train(context, recipe, data)
        valid, test = (_scores(model, data, part, context) for part in ("valid", "test"))
        return TrialOutcome(
            predictions=prediction_table(
                data.parts["test"].manifest,
                data.target,
                truth=data.parts["test"].truth,
                scores=test,
                thresholds=_thresholds(recipe, data.parts["valid"].truth, valid),
            ),
            floors=floor_tables(
                data.parts["test"].manifest, data.target, data.parts["train"].truth, data.parts["test"].truth
            ),
            notes=_notes(context, recipe, data, report, select),
        )


PROTOCOL = FineTuning()


@dataclass(frozen=True, slots=True)
class _Part:
    """The labelled rows of a part, their truth (N, K), and the items to train on or to answer."""

    manifest: Manifest
    truth: NDArray[np.int8]
    items: Dataset[Any]


@dataclass(frozen=True, slots=True)
class _Data:
    """The settled target, what is done to an image at evaluation, the parts, and the width of features where some have any."""

    target: Target
    frame: Preprocess
    parts: dict[Part, _Part]
    width: int | None

    @property
    def kind(self) -> Kind:
        return "multi-class" if self.target.kind == "multi-class" else "multi-label"


def _recipe_of(context: TrialContext) -> FineTuningRecipe:
    if not isinstance(context.recipe, FineTuningRecipe):
        raise UsageError(f"task '{context.task.id}' gives {type(context.recipe).__name__}, not a FineTuningRecipe")
    return context.recipe


def _read(context: TrialContext, recipe: FineTuningRecipe) -> _Data:
    from medbench_tasks.classification.targets import labelled, settle, truth_of
    from medbench_tasks.finetuning.augment import Augmentation
    from medbench_tasks.finetuning.frames import aspects_of, evaluation_frame, source_frame
    from medbench_tasks.finetuning.samples import ImageItems, feature_items
    from medbench_tasks.pixels import FramedPixels
    from medbench_tasks.training_shares import main_first

    target = settle(context.task.target or Target(kind="auto"), context.dataset)
    frame = evaluation_frame(recipe, context.features.preprocess)
    width = None
    parts: dict[Part, _Part] = {}
    for part in PARTS:
        manifest = labelled(getattr(context, part), part, target, recipe)
        truth = truth_of(manifest, target, recipe)
        augmented = part == "train" and recipe.augment != "none"
        if recipe.encoder_stays and not augmented:
            with main_first():
                features = context.features.encode(manifest, preprocess=frame)
            width = features.shape[1]
            items: Dataset[Any] = feature_items(features, truth)
        else:
            kept = source_frame(recipe, frame) if augmented else frame
            with main_first():
                pixels = FramedPixels.prepare(manifest, part, kept, context)
            aspects = aspects_of(manifest, frame, recipe)
            augmentation = Augmentation(recipe, frame.crop, context.seed, aspects) if augmented else None
            items = ImageItems(pixels, truth, augmentation)
        parts[part] = _Part(manifest, truth, items)
    return _Data(target, frame, parts, width)


def _train(context: TrialContext, recipe: FineTuningRecipe, data: _Data) -> tuple[ImageClassifier, FitReport, Score]:
    from medbench_tasks.finetuning.validation import PREFIX, ClassScores, defined
    from medbench_tasks.training import fit

    select = recipe.score_for(data.kind) if defined(data.parts["valid"].truth).any() else "loss"
    model = _build(context, recipe, data)
    report = fit(
        model,
        train=data.parts["train"].items,
        valid=data.parts["valid"].items,
        metric=ClassScores(select, data.kind),
        monitor=f"{PREFIX}/{select}",
        rule="less" if select == "loss" else "greater",
        scope="mmengine",
        context=context,
    )
    return model, report, select


def _build(context: TrialContext, recipe: FineTuningRecipe, data: _Data) -> ImageClassifier:
    from medbench_tasks.finetuning.model import ImageClassifier, build_head
    from medbench_tasks.training import seed_everything

    encoder: Any = None if recipe.encoder_is_constant else _encoder(context, recipe)
    width = encoder.embed_dim if data.width is None else data.width
    seed_everything(context.seed)
    return ImageClassifier(
        encoder,
        build_head(recipe, width, len(data.target.labels)),
        data.kind,
        frozen=recipe.freeze_encoder,
        stays=recipe.encoder_stays,
        preprocess=data.frame,
        precision=context.compute.precision,
    )


def _encoder(context: TrialContext, recipe: FineTuningRecipe) -> nn.Module:
    """The encoder to train on: the loaded one where it stays as it is, else a copy, in its form for fine-tuning."""
    from copy import deepcopy

    from torch import nn

    from medbench.capabilities import FineTunable, ImageEncoder

    encoder = context.model
    if not recipe.freeze_encoder and isinstance(encoder, FineTunable):
        encoder = encoder.fine_tuning_encoder(context.seed)
    if not isinstance(encoder, nn.Module) or not isinstance(encoder, ImageEncoder):
        raise PluginError(
            f"what {context.features.identity.label} gives to fine-tune is no torch.nn.Module that encodes images"
        )
    return encoder.eval() if recipe.encoder_stays else deepcopy(encoder)


def _scores(model: ImageClassifier, data: _Data, part: Part, context: TrialContext) -> NDArray[np.float64]:
    """(N, K) probabilities."""
    import torch

    from medbench_tasks.finetuning.model import probabilities
    from medbench_tasks.training import predict

    logits = [output for _, output in predict(model, data.parts[part].items, context)]
    return probabilities(torch.stack(logits), data.kind).numpy()


def _thresholds(recipe: FineTuningRecipe, truth: NDArray[np.int8], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    from medbench_tasks.classification.thresholds import UNDECIDED, f1_thresholds

    return f1_thresholds(truth, scores) if recipe.thresholds == "validation" else np.full(truth.shape[1], UNDECIDED)


def _notes(
    context: TrialContext,
    recipe: FineTuningRecipe,
    data: _Data,
    report: FitReport,
    select: Score,
) -> dict[str, float]:
    train = len(data.parts["train"].manifest)
    notes: dict[str, float] = {
        **{f"{part}_without_label": len(getattr(context, part)) - len(data.parts[part].manifest) for part in PARTS},
        "train_images": train,
        "epochs": report.epochs,
        "best_epoch": report.best_epoch,
        "best_validation_score": report.best_score,
        "train_seconds": report.seconds,
        "selected_by_loss": float(select == "loss"),
    }
    if report.epochs_now and not recipe.encoder_is_constant:
        notes["images_per_second"] = report.epochs_now * train / report.seconds
    return {name: float(value) for name, value in notes.items() if math.isfinite(value)}
