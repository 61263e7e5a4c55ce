"""Dice and IoU of binary masks, from their run-length counts alone, with intervals over patients.

Truth and prediction are compared at the recipe's image size. An image without foreground and with an empty prediction
scores 1, and 0 with any prediction; since most images of a screening set have no foreground, the mean over all images is
carried by them (an all-background answer then beats published models), and the mean over images with
foreground ranks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medbench.errors import TrialError
from medbench.protocols import GroupValue
from medbench.records import MetricValue
from medbench.samples import Mask
from medbench.statistics import REPLICATES, interval_of, patient_counts, weighted_sums
from medbench_tasks.subgroups import FEWEST, members_of, too_few

NO_FOREGROUND = "no test image has foreground"
NO_IMAGE = "no test image"


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


def score_masks(overlap: Overlap, batches: NDArray[np.int64], patient_ids: Sequence[str]) -> dict[str, MetricValue]:
    """Every metric of `medbench_tasks.segmentation.recipe.METRICS` and `MEDSLIP_METRICS` by name.

    ``batches`` (N,) numbers the batch that each image was in. Raises `TrialError` where an identity fails.
    """
    return MaskMeans.of(overlap, batches, patient_ids).values(np.ones(len(patient_ids), np.bool_))


@dataclass(frozen=True, slots=True)
class Column:
    """What a metric is the mean of: ``values`` and ``weights`` (M,) of the images ``used`` (M,), whose patients are drawn.

    ``counts`` (M, R) is how often each is in each replicate; ``absent`` is said where there is none.
    """

    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    used: NDArray[np.int64]
    counts: NDArray[np.uint8]
    absent: str

    def mean(self, counts: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(R,) the weighted mean when images count ``counts`` (M, R) times; NaN where none does."""
        sums = weighted_sums(np.stack([self.weights * self.values, self.weights], axis=1), counts)
        means: NDArray[np.float64] = np.divide(
            sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0
        )
        return means


@dataclass(frozen=True, slots=True)
class MaskMeans:
    """The column of every metric by name, and ``positive`` (N,), whether each image has foreground."""

    columns: Mapping[str, Column]
    positive: NDArray[np.bool_]

    @classmethod
    def of(cls, overlap: Overlap, batches: NDArray[np.int64], patient_ids: Sequence[str]) -> MaskMeans:
        """From the counts of N images. Raises `TrialError` where an identity fails."""
        dice, iou = dice_each(overlap), iou_each(overlap)
        _check_identities(dice, iou)
        every, once = np.arange(len(dice)), np.ones(len(dice))
        some = np.flatnonzero(overlap.positive)
        drawn, drawn_some = _draws(patient_ids), _draws([patient_ids[row] for row in some.tolist()])
        released = _batch_weights(batches)  # held fixed in the replicates: a resample has no batches of its own
        columns = {
            "dice-positive": Column(dice[some], once[some], some, drawn_some, NO_FOREGROUND),
            "dice-all": Column(dice, once, every, drawn, NO_IMAGE),
            "iou-positive": Column(iou[some], once[some], some, drawn_some, NO_FOREGROUND),
            "dice-as-released": Column(dice, released, every, drawn, NO_IMAGE),
            "iou-plus-one-as-released": Column(iou_plus_one_each(overlap), once, every, drawn, NO_IMAGE),
        }
        return cls(columns, overlap.positive)

    def replicates(self) -> dict[str, NDArray[np.float64]]:
        """Each metric's bootstrap replicates (R,); NaN where undefined."""
        return {name: column.mean(column.counts) for name, column in self.columns.items()}

    def values(self, members: NDArray[np.bool_]) -> dict[str, MetricValue]:
        """Each metric over the images that are ``members`` (N,); intervals come from the draws of the whole test set."""
        return {name: _value(column, members) for name, column in self.columns.items()}

    def groups(self, names: Sequence[str], attributes: Mapping[str, Sequence[str]]) -> Iterator[GroupValue]:
        """Dice over the images with foreground and over those without, then each metric of ``names`` by attribute.

        Without foreground it is the share answered empty. Groups of fewer than `FEWEST` images get a note in place of a value.
        """
        if "dice-all" in names:
            for group, members in (("with", self.positive), ("without", ~self.positive)):
                value = self._of_members("dice-all", members)
                yield GroupValue(grouping="foreground", group=group, metric="dice-all", value=value)
        for grouping, group, members in members_of(attributes, tuple(attributes)):
            for name in names:
                value = self._of_members(name, members)
                yield GroupValue(grouping=grouping, group=group, metric=name, value=value)

    def _of_members(self, name: str, members: NDArray[np.bool_]) -> MetricValue:
        number = int(members[self.columns[name].used].sum())
        return _value(self.columns[name], members) if number >= FEWEST else too_few(number)


def _draws(patient_ids: Sequence[str]) -> NDArray[np.uint8]:
    return patient_counts(patient_ids) if len(patient_ids) else np.zeros((0, REPLICATES), np.uint8)


def _value(column: Column, members: NDArray[np.bool_]) -> MetricValue:
    inside = members[column.used]
    n = int(inside.sum())
    point = column.mean(inside[:, None].astype(np.uint8))[0]
    if np.isnan(point):
        return MetricValue(value=None, note=column.absent)
    interval = interval_of(column.mean(column.counts * inside[:, None]))
    low, high = (interval.low, interval.high) if interval else (None, None)
    return MetricValue(value=float(point), low=low, high=high, n=n)


def _batch_weights(batches: NDArray[np.int64]) -> NDArray[np.float64]:
    """With them the mean is that of batch means, as the published script reports it: a short last batch's images weigh more."""
    _, batch_of, sizes = np.unique(batches, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = 1 / (len(sizes) * sizes[batch_of])
    return weights


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.ones_like(part), where=whole > 0)


def _check_identities(dice: NDArray[np.float64], iou: NDArray[np.float64]) -> None:
    in_range = bool(np.all((iou >= 0) & (dice <= 1) & (iou <= dice)))
    if not in_range or not np.allclose(dice, 2 * iou / (1 + iou), rtol=0, atol=1e-9):
        raise TrialError("Dice = 2 IoU / (1 + IoU) fails for some image: the mask counts contradict each other")
