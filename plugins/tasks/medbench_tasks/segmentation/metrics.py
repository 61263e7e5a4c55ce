"""Dice and IoU of binary masks, from their run-length counts alone, with intervals over patients.

Truth and prediction are compared at the recipe's image size. An image without foreground and with an empty prediction
scores 1, and 0 with any prediction; since most images of a screening set have no foreground, the mean over all images is
carried by them (an all-background answer then beats published models), and the mean over images with
foreground ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medbench.errors import TrialError
from medbench.records import MetricValue
from medbench.samples import Mask
from medbench.statistics import Interval, bootstrap, bootstrap_mean

NO_FOREGROUND = "no test image has foreground"


@dataclass(frozen=True, slots=True)
class Overlap:
    """Pixel counts of N images: ``predicted`` and ``truth`` foreground, and ``shared`` by both; each (N,)."""

    predicted: NDArray[np.float64]
    truth: NDArray[np.float64]
    shared: NDArray[np.float64]

    @property
    def positive(self) -> NDArray[np.bool_]:
        """(N,) whether the truth has foreground."""
        return self.truth > 0


def overlap_of(predictions: Sequence[Mask], truths: Sequence[Mask]) -> Overlap:
    """Counts from pairs of masks of equal size, without decoding them. Raises `TrialError` where the sizes differ."""
    from pycocotools import mask as coco

    rows = []
    for prediction, truth in zip(predictions, truths, strict=True):
        if prediction[:2] != truth[:2]:
            raise TrialError(f"a prediction of {prediction[:2]} pixels stands beside a truth of {truth[:2]} pixels")
        pair = [{"size": [mask.height, mask.width], "counts": mask.counts} for mask in (prediction, truth)]
        rows.append([*coco.area(pair), coco.area(coco.merge(pair, intersect=True))])
    counts = np.asarray(rows, np.float64).reshape(-1, 3)
    return Overlap(counts[:, 0], counts[:, 1], counts[:, 2])


def dice_each(overlap: Overlap) -> NDArray[np.float64]:
    """(N,) ``2 |P & T| / (|P| + |T|)``; 1 where both are empty."""
    return _ratio(2 * overlap.shared, overlap.predicted + overlap.truth)


def iou_each(overlap: Overlap) -> NDArray[np.float64]:
    """(N,) ``|P & T| / |P | T|``; 1 where both are empty."""
    return _ratio(overlap.shared, overlap.predicted + overlap.truth - overlap.shared)


def iou_plus_one_each(overlap: Overlap) -> NDArray[np.float64]:
    """(N,) ``(|P & T| + 1) / (|P | T| + 1)``: MeDSLIP's ``mIoU``, in which every image scores above 0."""
    union = overlap.predicted + overlap.truth - overlap.shared
    return (overlap.shared + 1) / (union + 1)


def dice_of_batches(dice: NDArray[np.float64], batches: NDArray[np.int64]) -> float:
    """The mean of batch means, as the published script reports it: images of a short last batch weigh more."""
    return float(np.average(dice, weights=_batch_weights(batches)))


def score_masks(overlap: Overlap, batches: NDArray[np.int64], patient_ids: Sequence[str]) -> dict[str, MetricValue]:
    """Every metric of `medbench_tasks.segmentation.recipe.METRICS` and `MEDSLIP_METRICS` by name.

    ``batches`` (N,) numbers the batch that each image was in. Raises `TrialError` where an identity fails.
    """
    dice, iou = dice_each(overlap), iou_each(overlap)
    _check_identities(dice, iou)
    positive = overlap.positive
    patients_with = [patient for patient, keep in zip(patient_ids, positive, strict=True) if keep]
    return {
        "dice-positive": _mean(dice[positive], patients_with),
        "dice-all": _mean(dice, patient_ids),
        "iou-positive": _mean(iou[positive], patients_with),
        "dice-as-released": _mean_of_batches(dice, batches, patient_ids),
        "iou-plus-one-as-released": _mean(iou_plus_one_each(overlap), patient_ids),
    }


def _mean(values: NDArray[np.float64], patient_ids: Sequence[str]) -> MetricValue:
    if not len(values):
        return MetricValue(value=None, note=NO_FOREGROUND)
    return _with_interval(float(values.mean()), bootstrap_mean(values, patient_ids), len(values))


def _mean_of_batches(dice: NDArray[np.float64], batches: NDArray[np.int64], patient_ids: Sequence[str]) -> MetricValue:
    if not len(dice):
        return MetricValue(value=None, note="no test image")
    weights = _batch_weights(batches)  # held fixed in the replicates: a resample has no batches of its own

    def statistic(counts: NDArray[np.int32]) -> float:
        return float(np.average(dice, weights=weights * counts))

    return _with_interval(dice_of_batches(dice, batches), bootstrap(statistic, patient_ids), len(dice))


def _with_interval(value: float, interval: Interval | None, n: int) -> MetricValue:
    if interval is None:
        return MetricValue(value=value, n=n)
    return MetricValue(value=value, low=interval.low, high=interval.high, n=n)


def _batch_weights(batches: NDArray[np.int64]) -> NDArray[np.float64]:
    _, batch_of, sizes = np.unique(batches, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = 1 / (len(sizes) * sizes[batch_of])
    return weights


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.ones_like(part), where=whole > 0)


def _check_identities(dice: NDArray[np.float64], iou: NDArray[np.float64]) -> None:
    in_range = bool(np.all((iou >= 0) & (dice <= 1) & (iou <= dice)))
    if not in_range or not np.allclose(dice, 2 * iou / (1 + iou), rtol=0, atol=1e-9):
        raise TrialError("Dice = 2 IoU / (1 + IoU) fails for some image: the mask counts contradict each other")
