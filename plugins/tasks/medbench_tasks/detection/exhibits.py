"""Detections to look at: the boxes above one score, beside the true ones.

A mean over recalls has no operating point, so one is chosen for showing alone: the score at which the boxes that are at least
that good have the highest F1 at IoU 0.50, over all images of these predictions. An image is right where these boxes find
every truth and nothing else. Its score is the F1 of its own boxes, 1 where there is neither a truth nor a box.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medbench.protocols import Example, Shown
from medbench.samples import Box
from medbench_tasks.detection.metrics import Detections, ImageBoxes, match
from medbench_tasks.detection.predictions import images_of
from medbench_tasks.detection.scoring import HALF
from medbench_tasks.exhibits import spread

if TYPE_CHECKING:
    import pyarrow as pa

MEASURE = "F1 of boxes at IoU 0.50"
NO_BOX_FOUND = 0.5
"""The operating point where no box finds a truth."""


def show_boxes(table: pa.Table, count: int) -> list[Example]:
    """Up to ``count`` right and ``count`` wrong images; those without truth and box only where others do not suffice."""
    images = images_of(table)
    detections = match(images)
    point = operating_point(detections)
    f1, shown = image_f1(detections, point)
    sample_ids = table.column("sample_id").to_pylist()
    return [
        Example(
            sample_id=sample_ids[row],
            right=bool(f1[row] == 1),
            truth=Shown(boxes=_boxes(images[row].truth_boxes, images[row].truth_labels)),
            answer=_answer(images[row], point),
            score=float(f1[row]),
            measure=MEASURE,
        )
        for row in spread(sample_ids, f1 == 1, f1, count, empty=shown == 0)
    ]


def operating_point(detections: Detections) -> float:
    """The score from which on boxes count, at the highest F1 at IoU 0.50 over all images; of equal ones the highest."""
    scores = np.concatenate([one.scores for one in detections.classes] or [np.zeros(0)])
    hits = np.concatenate([one.hits[HALF] for one in detections.classes] or [np.zeros(0, np.bool_)])
    if not hits.any():
        return NO_BOX_FOUND
    order = np.argsort(-scores, kind="stable")
    truths = sum(int(one.truths.sum()) for one in detections.classes)
    f1 = 2 * hits[order].cumsum() / (np.arange(1, len(order) + 1) + truths)
    last = np.append(scores[order][1:] != scores[order][:-1], True)  # boxes of one score count together
    return float(scores[order][np.where(last, f1, -1.0).argmax()])


def image_f1(detections: Detections, point: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(N,) the F1 of each image's boxes from that score on, and how many boxes and truths it has."""
    shared, there = np.zeros(detections.images), np.zeros(detections.images, np.int64)
    for one in detections.classes:
        kept = one.scores >= point
        there += one.truths + np.bincount(one.image[kept], minlength=detections.images)
        shared += np.bincount(one.image[kept & one.hits[HALF]], minlength=detections.images)
    return np.divide(2 * shared, there, out=np.ones(detections.images), where=there > 0), there


def _answer(image: ImageBoxes, point: float) -> Shown:
    kept = image.scores >= point
    return Shown(
        boxes=_boxes(image.boxes[kept], image.labels[kept]),
        scores=tuple(float(score) for score in np.clip(image.scores[kept], 0, 1)),
    )


def _boxes(corners: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[Box, ...]:
    """x1, y1, x2, y2 -> `medbench.samples.Box`."""
    return tuple(
        Box(int(label), float(x1), float(y1), float(x2 - x1), float(y2 - y1))
        for label, (x1, y1, x2, y2) in zip(labels, corners, strict=True)
    )
