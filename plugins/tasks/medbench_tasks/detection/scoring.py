"""The metrics of detection from kept predictions: their values, bootstrap replicates, groups and reliability.

A replicate draws patients of all test images; the published metric looks at some of these only, which depend on the method.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from medbench.errors import UnknownNameError
from medbench.protocols import GroupValue, ReliabilityBin
from medbench.records import MetricValue
from medbench.statistics import interval_of, patient_weights
from medbench_tasks.classification.calibration import bins_of
from medbench_tasks.detection.metrics import (
    ALL_THRESHOLDS,
    IOU_THRESHOLDS,
    Detections,
    as_released,
    confident,
    match,
)
from medbench_tasks.detection.predictions import box_names_of, images_of
from medbench_tasks.subgroups import FEWEST, attributes_of, members_of, too_few

if TYPE_CHECKING:
    import pyarrow as pa

HALF = IOU_THRESHOLDS.index(0.50)
THRESHOLDS = {"map": ALL_THRESHOLDS, "ap50": (HALF,), "ap75": (IOU_THRESHOLDS.index(0.75),)}
AS_RELEASED = "map-as-released"
METRICS = (*THRESHOLDS, AS_RELEASED)
NO_TRUTH = "no image has a truth"
NONE_RELEASED = "no image has both a truth and a detection of score 0.5 or more"


def score_boxes(table: pa.Table, names: Sequence[str]) -> dict[str, MetricValue]:
    """The metrics of those names, with intervals over patients. Raises `UnknownNameError`."""
    matched = Matched.of(table, names)
    return matched.values(np.ones(matched.images, np.bool_))


def replicate_boxes(table: pa.Table, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """The metrics' bootstrap replicates (R,); NaN where a draw has no truth. Raises `UnknownNameError`."""
    matched = Matched.of(table, names)
    return matched.estimates(matched.draws)


def group_boxes(table: pa.Table, names: Sequence[str]) -> list[GroupValue]:
    """Each metric by class of boxes where there are several, then by sex, age band and view.

    The size of a class is the number of images that have it. One of fewer than `FEWEST` images gets a note in place of a value.
    """
    matched = Matched.of(table, names)
    return [*_by_class(matched, box_names_of(table)), *_by_attribute(matched, table)]


def box_reliability(table: pa.Table) -> list[ReliabilityBin]:
    """How often a box of some score finds a truth of its class at IoU 0.50, over all boxes; empty without any box."""
    classes = match(images_of(table)).classes
    if not sum(len(one.scores) for one in classes):
        return []
    scores = np.concatenate([one.scores for one in classes])
    return bins_of(scores, np.concatenate([one.hits[HALF] for one in classes]).astype(np.float64))


class Reading(NamedTuple):
    """What some metrics are over: the matches, the images ``used`` (M,) that these number, and what is missing if undefined."""

    detections: Detections
    used: NDArray[np.int64]
    absent: str


@dataclass(frozen=True)
class Matched:
    """The readings of a table of predictions by metric, and the draws (R, images) of its patients."""

    readings: dict[str, Reading]
    draws: NDArray[np.int32]

    @classmethod
    def of(cls, table: pa.Table, names: Sequence[str]) -> Matched:
        """All boxes matched once, and those that the published metric looks at once more where it is asked for."""
        for name in names:
            if name not in METRICS:
                raise UnknownNameError("metric of detection", name, METRICS)
        images = images_of(table)
        whole = Reading(match(images), np.arange(len(images)), NO_TRUTH)
        readings = dict.fromkeys(names, whole)
        if AS_RELEASED in names:
            used = as_released(images)
            detections = match([confident(images[index]) for index in used])
            readings[AS_RELEASED] = Reading(detections, np.array(used, np.int64), NONE_RELEASED)
        return cls(readings, patient_weights(table.column("patient_id").to_pylist()))

    @property
    def images(self) -> int:
        return int(self.draws.shape[1])

    def estimates(self, weights: NDArray[np.int32]) -> dict[str, NDArray[np.float64]]:
        """Each metric (R,) under each row of image weights (R, images); NaN where undefined."""
        curves: dict[bool, NDArray[np.float64]] = {}
        found = {}
        for name, reading in self.readings.items():
            released = name == AS_RELEASED
            if released not in curves:
                curves[released] = reading.detections.average_precision(weights[:, reading.used])
            found[name] = curves[released][:, list(THRESHOLDS.get(name, ALL_THRESHOLDS))].mean(axis=1)
        return found

    def values(self, members: NDArray[np.bool_]) -> dict[str, MetricValue]:
        """Each metric over the images that are ``members`` (images,), ``n`` those of them that it looks at."""
        points = self.estimates(members.astype(np.int32)[None])
        replicates = self.estimates(self.draws * members)
        return {
            name: _value(float(points[name][0]), replicates[name], int(members[reading.used].sum()), reading.absent)
            for name, reading in self.readings.items()
        }

    def of_class(self, label: int) -> Matched:
        """The boxes of one class alone."""
        return Matched({name: _only(reading, label) for name, reading in self.readings.items()}, self.draws)


def _only(reading: Reading, label: int) -> Reading:
    chosen = tuple(one for one in reading.detections.classes if one.label == label)
    return reading._replace(detections=Detections(chosen, reading.detections.images))


def _by_class(matched: Matched, names: Sequence[str]) -> Iterator[GroupValue]:
    if len(names) < 2:
        return
    for label, group in enumerate(names):
        alone = matched.of_class(label)
        for name, value in alone.values(np.ones(matched.images, np.bool_)).items():
            with_truth = sum(int((one.truths > 0).sum()) for one in alone.readings[name].detections.classes)
            kept = replace(value, n=with_truth) if with_truth >= FEWEST else too_few(with_truth)
            yield GroupValue(grouping="class", group=group, metric=name, value=kept)


def _by_attribute(matched: Matched, table: pa.Table) -> Iterator[GroupValue]:
    attributes = attributes_of(table)
    for grouping, group, members in members_of(attributes, tuple(attributes)):
        few = dict.fromkeys(matched.readings, too_few(int(members.sum())))
        values = matched.values(members) if members.sum() >= FEWEST else few
        for name, value in values.items():
            yield GroupValue(grouping=grouping, group=group, metric=name, value=value)


def _value(point: float, replicates: NDArray[np.float64], n: int, absent: str) -> MetricValue:
    if np.isnan(point):
        return MetricValue(value=None, n=n, note=absent)
    interval = interval_of(replicates)
    low, high = (interval.low, interval.high) if interval else (None, None)
    return MetricValue(value=point, low=low, high=high, n=n)
