"""Average precision: equal to pycocotools, weighted as repetition is, and feasible at the size of a real test set."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.records import MetricValue
from medbench.statistics import patient_weights
from medbench_tasks.detection.metrics import (
    IOU_THRESHOLDS,
    ClassMatches,
    Detections,
    ImageBoxes,
    as_released,
    confident,
    evaluate_coco,
    match,
)
from medbench_tasks.detection.scoring import NO_TRUTH, Matched, Reading

corner = st.integers(0, 12)
side = st.integers(1, 8)


@st.composite
def images(draw: st.DrawFn, *, classes: int = 2) -> list[ImageBoxes]:
    """Up to five images on a small grid, so that boxes do overlap; all scores differ."""
    found = []
    scores = draw(st.permutations(range(30)))
    for _ in range(draw(st.integers(1, 5))):
        parts = []
        for _ in range(2):
            rows = draw(st.lists(st.tuples(corner, corner, side, side, st.integers(0, classes - 1)), max_size=5))
            boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in rows], float).reshape(-1, 4)
            parts.append((boxes, np.array([row[4] for row in rows], np.int64)))
        (boxes, labels), (truth_boxes, truth_labels) = parts
        own = [scores.pop() / 30 for _ in labels]
        found.append(ImageBoxes(boxes, np.array(own), labels, truth_boxes, truth_labels))
    return found


def coco_ap(found: list[ImageBoxes]) -> np.ndarray:
    """(T,) AP by threshold from pycocotools' own accumulation; NaN where there is no truth."""
    import contextlib
    import io

    evaluation = evaluate_coco(found)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, 0]
    result = np.full(len(IOU_THRESHOLDS), np.nan)
    for threshold, values in enumerate(precision):
        defined = values[values > -1]
        if len(defined):
            result[threshold] = defined.mean()
    return result


@given(images())
@settings(max_examples=60, deadline=None)
def test_ap_equals_pycocotools(found: list[ImageBoxes]) -> None:
    np.testing.assert_allclose(match(found).average_precision()[0], coco_ap(found), atol=1e-6)


@given(images(), st.data())
@settings(max_examples=60, deadline=None)
def test_weights_are_repetitions(found: list[ImageBoxes], data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(found), max_size=len(found)))
    repeated = [image for image, weight in zip(found, weights, strict=True) for _ in range(weight)]
    expected = coco_ap(repeated) if repeated else np.full(len(IOU_THRESHOLDS), np.nan)
    ours = match(found).average_precision(np.array([weights], np.int32))[0]
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def map_of(found: list[ImageBoxes], patients: list[str]) -> MetricValue:
    return scored(match(found), patients)


def scored(detections: Detections, patients: list[str]) -> MetricValue:
    readings = {"map": Reading(detections, np.arange(detections.images), NO_TRUTH)}
    return Matched(readings, patient_weights(patients)).values(np.ones(detections.images, bool))["map"]


def one_image(scores: list[float], *, truths: int = 1) -> ImageBoxes:
    box = np.array([[10.0, 10.0, 50.0, 40.0]])
    return ImageBoxes(
        boxes=np.repeat(box, len(scores), axis=0),
        scores=np.array(scores),
        labels=np.zeros(len(scores), np.int64),
        truth_boxes=np.repeat(box, truths, axis=0),
        truth_labels=np.zeros(truths, np.int64),
    )


def test_a_perfect_answer_scores_one_and_none_scores_zero() -> None:
    assert map_of([one_image([0.9]), one_image([], truths=0)], ["a", "b"]).value == 1.0
    none = map_of([one_image([]), one_image([])], ["a", "b"])
    assert (none.value, none.low, none.high) == (0.0, 0.0, 0.0)


def test_false_alarms_on_images_without_truth_cost() -> None:
    clean = [one_image([0.5]), one_image([], truths=0)]
    noisy = [one_image([0.5]), one_image([0.9], truths=0)]
    assert map_of(noisy, ["a", "b"]).value < map_of(clean, ["a", "b"]).value


def test_without_any_truth_there_is_no_estimate() -> None:
    for scores in ([0.9], []):
        found = map_of([one_image(scores, truths=0)], ["a"])
        assert (found.value, found.low, found.note) == (None, None, "no image has a truth")


def test_the_interval_is_over_patients_and_holds_the_value() -> None:
    found = [one_image([0.9]) if index % 3 else one_image([]) for index in range(30)]
    by_image = map_of(found, [str(index) for index in range(30)])
    by_patient = map_of(found, [str(index // 10) for index in range(30)])
    assert by_image.low < by_image.value < by_image.high
    alone = map_of(found, ["one"] * 30)
    assert (alone.low, alone.high) == (by_patient.value, by_patient.value)


def test_the_released_metric_skips_misses_and_false_alarms() -> None:
    found = [one_image([0.9]), one_image([]), one_image([0.9], truths=0), one_image([0.49])]
    assert as_released(found) == [0]
    assert len(confident(one_image([0.9, 0.5, 0.49])).scores) == 2
    assert confident(replace(found[0], scores=np.array([0.1]))).boxes.shape == (0, 4)


def test_the_bootstrap_is_feasible_on_a_real_test_set() -> None:
    draw = np.random.default_rng(0)
    size, per_image = 5337, 100
    count = size * per_image
    matches = ClassMatches(
        image=draw.permutation(np.repeat(np.arange(size), per_image)),
        scores=np.linspace(1, 0, count),
        hits=draw.random((len(IOU_THRESHOLDS), count)) < 0.003,
        truths=draw.integers(0, 2, size),
    )
    started = time.process_time()
    found = scored(Detections((matches,), size), [str(index) for index in range(size)])
    assert found.low < found.value < found.high
    assert time.process_time() - started < 20


@pytest.mark.parametrize("labels", [[0, 3], [3, 7]])
def test_labels_need_not_be_dense(labels: list[int]) -> None:
    found = [replace(one_image([0.9]), labels=np.array([label]), truth_labels=np.array([label])) for label in labels]
    assert map_of(found, ["a", "b"]).value == 1.0
