"""Average precision of detections by pycocotools, with an interval by bootstrap over patients.

mAP is the mean over classes and over IoU 0.40:0.05:0.75 of COCO's 101-point AP, area "all", at most 100 detections per
image. Boxes are matched by pycocotools once; a replicate of the bootstrap weighs the images, which gives what pycocotools
would give on a set with these images repeated.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

IOU_THRESHOLDS = (0.40, 0.45, 0.50, 0.55, 0.60, 0.65, 0.70, 0.75)
ALL_THRESHOLDS = tuple(range(len(IOU_THRESHOLDS)))
MAX_DETECTIONS = 100
RECALLS = np.linspace(0.0, 1.0, 101)
_CELLS_AT_ONCE = 1_000_000


@dataclass(frozen=True, slots=True)
class ImageBoxes:
    """An image's detections and truths: boxes (n, 4) as x1, y1, x2, y2, scores (n,), labels (n,)."""

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    truth_boxes: NDArray[np.float64]
    truth_labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClassMatches:
    """One class over all images. D detections, best first (stable, in the order of images): ``image`` (D,) the image of
    each, ``scores`` (D,), ``hits`` (T, D) whether it found a truth at each IoU threshold; ``truths`` (N,) the truths of
    each image. ``label`` is the class.
    """

    image: NDArray[np.int64]
    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]
    truths: NDArray[np.int64]
    label: int = 0


@dataclass(frozen=True, slots=True)
class Detections:
    """All images, matched."""

    classes: tuple[ClassMatches, ...]
    images: int

    def average_precision(self, weights: NDArray[np.int32] | None = None) -> NDArray[np.float64]:
        """(R, T) AP by IoU threshold, mean over the classes that have truths, for R rows of image weights (R, N).

        None is one row of ones. NaN where no image of positive weight has a truth.
        """
        rows = np.ones((1, self.images), np.int32) if weights is None else weights
        by_class = [_average_precision(matches, rows) for matches in self.classes]
        stacked = np.stack(by_class) if by_class else np.full((1, len(rows), len(IOU_THRESHOLDS)), np.nan)
        defined = ~np.isnan(stacked)
        total = np.where(defined, stacked, 0).sum(axis=0)
        count = defined.sum(axis=0)
        result: NDArray[np.float64] = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
        return result


def match(images: Sequence[ImageBoxes]) -> Detections:
    """Match detections to truths, image by image, as COCOeval does."""
    evaluation = evaluate_coco(images)
    classes = tuple(_class_matches(evaluation, index, len(images)) for index in range(len(evaluation.params.catIds)))
    return Detections(classes, len(images))


def as_released(images: Sequence[ImageBoxes], confidence: float = 0.5) -> list[int]:
    """Indices of the images that the published metric looks at: those with a truth and a detection of that score."""
    return [
        index for index, image in enumerate(images) if len(image.truth_labels) and (image.scores >= confidence).any()
    ]


def confident(image: ImageBoxes, confidence: float = 0.5) -> ImageBoxes:
    """The image without the detections under that score."""
    keep = image.scores >= confidence
    return replace(image, boxes=image.boxes[keep], scores=image.scores[keep], labels=image.labels[keep])


def evaluate_coco(images: Sequence[ImageBoxes]) -> Any:
    """A pycocotools `COCOeval` after ``evaluate()``, silent; images count from 0 and classes are all labels met."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    labels = {int(label) for image in images for label in (*image.labels, *image.truth_labels)}
    with contextlib.redirect_stdout(io.StringIO()):
        truth, found = COCO(), COCO()
        for coco, annotations in ((truth, truth_annotations(images)), (found, found_annotations(images))):
            coco.dataset = {
                "images": [{"id": index} for index in range(len(images))],
                "categories": [{"id": label} for label in sorted(labels)],
                "annotations": annotations,
            }
            coco.createIndex()
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.params.iouThrs = np.array(IOU_THRESHOLDS)
        evaluation.params.maxDets = [MAX_DETECTIONS]
        evaluation.params.areaRng = [[0, 1e10]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
    return evaluation


def truth_annotations(images: Sequence[ImageBoxes]) -> list[dict[str, Any]]:
    """The truths as COCO has annotations."""
    return _numbered(
        [
            _annotation(index, box, label)
            for index, image in enumerate(images)
            for box, label in zip(image.truth_boxes, image.truth_labels, strict=True)
        ]
    )


def found_annotations(images: Sequence[ImageBoxes]) -> list[dict[str, Any]]:
    """The detections as COCO has annotations, with scores."""
    return _numbered(
        [
            {**_annotation(index, box, label), "score": float(score)}
            for index, image in enumerate(images)
            for box, score, label in zip(image.boxes, image.scores, image.labels, strict=True)
        ]
    )


def _annotation(index: int, box: NDArray[np.float64], label: np.int64) -> dict[str, Any]:
    x1, y1, x2, y2 = (float(value) for value in box)
    sides = (x2 - x1, y2 - y1)
    return {
        "image_id": index,
        "category_id": int(label),
        "bbox": [x1, y1, *sides],
        "area": sides[0] * sides[1],
        "iscrowd": 0,
    }


def _numbered(annotations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ids count from 1: COCOeval takes a match with id 0 for no match."""
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    return annotations


def _class_matches(evaluation: Any, class_index: int, images: int) -> ClassMatches:
    """COCOeval keeps one entry per class and image, None where the image has neither truth nor detection of it."""
    entries = evaluation.evalImgs[class_index * images : (class_index + 1) * images]
    truths = np.array([0 if entry is None else len(entry["gtIds"]) for entry in entries], np.int64)
    present = [(index, entry) for index, entry in enumerate(entries) if entry is not None and len(entry["dtIds"])]
    label = int(evaluation.params.catIds[class_index])
    if not present:
        return ClassMatches(np.zeros(0, np.int64), np.zeros(0), np.zeros((len(IOU_THRESHOLDS), 0), bool), truths, label)
    scores = np.concatenate([entry["dtScores"] for _, entry in present])
    order = np.argsort(-scores, kind="mergesort")
    image = np.repeat([index for index, _ in present], [len(entry["dtIds"]) for _, entry in present])
    hits = np.concatenate([entry["dtMatches"] > 0 for _, entry in present], axis=1)
    return ClassMatches(image[order], scores[order], hits[:, order], truths, label)


def _average_precision(matches: ClassMatches, weights: NDArray[np.int32]) -> NDArray[np.float64]:
    """(R, T) AP of one class; NaN where the weighted images hold no truth.

    Precision has its peaks at true positives, so the curve is looked at there alone: what lies between two of them is counted
    at once, by a sparse product with the images' weights, and the rest costs by truths, not by detections.
    """
    result = np.full((len(weights), len(IOU_THRESHOLDS)), np.nan)
    found = np.flatnonzero(matches.hits.any(axis=0))
    between = _between(matches.image, found, weights.shape[1])
    step = max(1, _CELLS_AT_ONCE // max(1, len(found), weights.shape[1]))
    for start in range(0, len(weights), step):
        drawn = np.ascontiguousarray(weights[start : start + step].T, np.int32)
        counted = (between @ drawn).cumsum(axis=0, dtype=np.int32)
        at_found = drawn[matches.image[found]]
        truths = matches.truths @ drawn
        for threshold, hits in enumerate(matches.hits[:, found]):
            true_positives = at_found[hits].cumsum(axis=0, dtype=np.int32)
            result[start : start + step, threshold] = _area(true_positives.T, counted[hits].T, truths)
    return result


def _between(image: NDArray[np.int64], found: NDArray[np.int64], images: int) -> sparse.csr_array:
    """(P, N) how many detections of each image stand after the last and up to the next of P true positives."""
    segment = np.searchsorted(found, np.arange(len(image)))
    before = segment < len(found)
    ones = np.ones(int(before.sum()), np.int32)
    return sparse.coo_array((ones, (segment[before], image[before])), shape=(len(found), images)).tocsr()


def _area(
    true_positives: NDArray[np.int32], counted: NDArray[np.int32], truths: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(R,) mean of the precision envelope at the 101 recalls, from counts (R, P) at the P true positives."""
    areas = np.where(truths > 0, 0.0, np.nan)
    if not true_positives.shape[1]:
        return areas
    precision = np.ascontiguousarray(true_positives) / np.maximum(counted, 1)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    for row in np.flatnonzero(truths > 0):
        at = np.searchsorted(true_positives[row] / truths[row], RECALLS, side="left")
        reached = at[at < envelope.shape[1]]
        areas[row] = envelope[row, reached].sum() / len(RECALLS)
    return areas
