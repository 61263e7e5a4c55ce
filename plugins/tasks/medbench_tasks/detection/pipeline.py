"""One detection trial: features, training, detection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from mmengine.evaluator import BaseMetric

from medbench.protocols import TrialOutcome
from medbench_tasks.detection.metrics import ImageBoxes, as_released, confident, match
from medbench_tasks.detection.model import STRIDES, build_detector
from medbench_tasks.detection.predictions import Found, floors, predictions_table
from medbench_tasks.detection.samples import DetectionSamples, annotated
from medbench_tasks.pyramid import MethodPyramid, encode_features
from medbench_tasks.training import fit, predict, seed_everything

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medbench.protocols import TrialContext
    from medbench_tasks.recipes import DetectionRecipe

_NOTHING_ACCUMULATED = -1.0


def train_and_detect(context: TrialContext) -> TrialOutcome:
    """`DetectionProtocol.run`."""
    recipe: DetectionRecipe = context.recipe  # type: ignore[assignment]
    train, valid, test = (annotated(part) for part in (context.train, context.valid, context.test))
    seed_everything(context.seed)
    pyramid = MethodPyramid.from_context(context, strides=STRIDES)
    detector = build_detector(pyramid, recipe, num_classes=len(train.box_names))
    report = fit(
        detector,
        train=encode_features(pyramid, DetectionSamples.prepare(train, "train", context), context),
        valid=encode_features(pyramid, DetectionSamples.prepare(valid, "valid", context), context),
        metric=Validation(released=recipe.flavour == "mgca"),
        monitor="valid/map",
        rule="greater",
        scope="mmdet",
        context=context,
    )
    samples = DetectionSamples.prepare(test, "test", context)
    started = time.monotonic()
    found = [_relative(output, recipe.image_size) for _, output in predict(detector, samples, context)]
    seconds = time.monotonic() - started
    return TrialOutcome(
        predictions=predictions_table(test, found),
        floors=floors(train, test),
        notes={
            "epochs": float(report.epochs),
            "best_epoch": float(report.best_epoch),
            "train_seconds": report.seconds,
            "images_per_second": len(test) / max(seconds, 1e-9),
            "unannotated_test": float(len(context.test) - len(test)),
        },
    )


class Validation(BaseMetric):  # type: ignore[misc]
    """mAP after an epoch, over all images, or as the published script has it (-1 where no image gets that far)."""

    def __init__(self, *, released: bool) -> None:
        super().__init__(prefix="valid")
        self._released = released

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep each image's boxes."""
        for sample in data_samples:
            found, truth = sample["pred_instances"], sample["gt_instances"]
            self.results.append(
                ImageBoxes(
                    boxes=_array(found["bboxes"], np.float64),
                    scores=_array(found["scores"], np.float64),
                    labels=_array(found["labels"], np.int64),
                    truth_boxes=_array(truth["bboxes"], np.float64),
                    truth_labels=_array(truth["labels"], np.int64),
                )
            )

    def compute_metrics(self, results: list[ImageBoxes]) -> dict[str, float]:
        """``map``."""
        if not self._released:
            return {"map": float(match(results).average_precision().mean())}
        used = [confident(results[index]) for index in as_released(results)]
        return {"map": float(match(used).average_precision().mean()) if used else _NOTHING_ACCUMULATED}


def _relative(sample: Any, size: int) -> Found:
    """An image's detections, brought from the square to 0..1."""
    instances = sample.pred_instances
    return Found(
        _array(instances.bboxes, np.float64) / size,
        _array(instances.scores, np.float64),
        _array(instances.labels, np.int64),
    )


def _array(tensor: Any, dtype: type[np.generic]) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = tensor.detach().float().cpu().numpy().astype(dtype)
    return array
