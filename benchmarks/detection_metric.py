"""Detection's average precision at the size of RSNA's test part: pycocotools, faster-coco-eval, and medbench with its interval.

All three match the same boxes, at IoU 0.40:0.05:0.75 and at most 100 detections an image, and must agree. The first two
give a number; medbench, which takes pycocotools' matches because faster-coco-eval keeps its own to itself, also gives 1,000
replicates over patients.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from medbench.statistics import patient_weights
from medbench_tasks.detection.metrics import (
    IOU_THRESHOLDS,
    MAX_DETECTIONS,
    ImageBoxes,
    found_annotations,
    match,
    truth_annotations,
)

IMAGES, DETECTIONS = 5_337, 20
TARGET = 2.0
"""Times pycocotools for one number, at most, for a number with its interval."""


class Comparison(NamedTuple):
    """Best seconds of each, and the average precision that they agree on."""

    pycocotools_s: float
    faster_s: float
    medbench_s: float
    value: float

    @property
    def ratio(self) -> float:
        return self.medbench_s / self.pycocotools_s

    @property
    def met(self) -> bool:
        return self.ratio <= TARGET

    @property
    def rows(self) -> list[list[str]]:
        """For a table: what, seconds, ratio, target."""
        faster = f"{self.faster_s / self.pycocotools_s:.2f}"
        return [
            [f"pycocotools: {IMAGES:,} images, one number", f"{self.pycocotools_s:.2f}", "1.00", ""],
            ["faster-coco-eval: the same number", f"{self.faster_s:.2f}", faster, ""],
            [
                "medbench: it, and 1,000 replicates",
                f"{self.medbench_s:.2f}",
                f"{self.ratio:.2f}",
                f"at most {TARGET:g}",
            ],
        ]


def compare(repeats: int = 2) -> Comparison:
    """Time the three in turns. Raises `ValueError` where they disagree."""
    import faster_coco_eval
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    images = _draw()
    weights = patient_weights([str(index // 2) for index in range(IMAGES)])
    sides: list[Callable[[], float]] = [
        lambda: _number(images, COCO, COCOeval),
        lambda: _number(images, faster_coco_eval.COCO, faster_coco_eval.COCOeval_faster),
        lambda: _with_interval(images, weights),
    ]
    seconds: list[list[float]] = [[], [], []]
    values = []
    for _ in range(repeats):
        for side, times in zip(sides, seconds, strict=True):
            begin = time.perf_counter()
            values.append(side())
            times.append(time.perf_counter() - begin)
    if np.ptp(values) > 1e-9:
        raise ValueError(f"the average precisions differ: {values}")
    return Comparison(*map(min, seconds), values[0])


def _number(images: list[ImageBoxes], coco: Any, evaluator: Any) -> float:
    sides = []
    with contextlib.redirect_stdout(io.StringIO()):
        for annotations in (truth_annotations(images), found_annotations(images)):
            side = coco()
            side.dataset = {
                "images": [{"id": index} for index in range(len(images))],
                "categories": [{"id": 0}],
                "annotations": annotations,
            }
            side.createIndex()
            sides.append(side)
        evaluation = evaluator(*sides, "bbox")
        evaluation.params.iouThrs = np.array(IOU_THRESHOLDS)
        evaluation.params.maxDets = [MAX_DETECTIONS]
        evaluation.params.areaRng = [[0, 1e10]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    return float(np.mean(evaluation.eval["precision"]))


def _with_interval(images: list[ImageBoxes], weights: Any) -> float:
    detections = match(images)
    detections.average_precision(weights)
    return float(detections.average_precision().mean())


def _draw() -> list[ImageBoxes]:
    """A third of the images hold one to three truths, near which some detections lie."""
    generator = np.random.default_rng(0)
    images = []
    for _ in range(IMAGES):
        truths = _boxes(generator, int(generator.integers(1, 4)) if generator.random() < 0.33 else 0)
        found = _boxes(generator, DETECTIONS)
        near = truths[: generator.integers(0, len(truths) + 1)] + generator.normal(0, 4, 4)
        found[: len(near)] = near
        scores = generator.random(DETECTIONS)
        labels = np.zeros(DETECTIONS, np.int64)
        images.append(ImageBoxes(found, scores, labels, truths, np.zeros(len(truths), np.int64)))
    return images


def _boxes(generator: np.random.Generator, number: int) -> np.ndarray[Any, Any]:
    corner = generator.uniform(0, 160, (number, 2))
    return np.concatenate([corner, corner + generator.uniform(20, 60, (number, 2))], axis=1)
