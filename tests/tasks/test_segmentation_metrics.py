"""Dice and IoU from run-length masks, against independent formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import f1_score, jaccard_score

from medbench.errors import TrialError
from medbench.masks import encode_mask
from medbench.samples import Mask
from medbench_tasks.segmentation.metrics import (
    Overlap,
    dice_each,
    iou_each,
    overlap_of,
    score_masks,
)
from medbench_tasks.segmentation.recipe import MEDSLIP_METRICS, METRICS

PIXELS = hnp.arrays(np.uint8, (7, 5), elements=st.integers(0, 1))
PAIRS = st.lists(st.tuples(PIXELS, PIXELS), min_size=1, max_size=6)


def _overlap(pairs: list[tuple[np.ndarray, np.ndarray]]) -> Overlap:
    return overlap_of([encode_mask(p) for p, _ in pairs], [encode_mask(t) for _, t in pairs])


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_dice_and_iou_of_each_image_equal_sklearns_f1_and_jaccard(pairs):
    overlap = _overlap(pairs)
    f1 = [f1_score(t.ravel(), p.ravel(), zero_division=1.0) for p, t in pairs]
    jaccard = [jaccard_score(t.ravel(), p.ravel(), zero_division=1.0) for p, t in pairs]
    np.testing.assert_allclose(dice_each(overlap), f1, atol=1e-12)
    np.testing.assert_allclose(iou_each(overlap), jaccard, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_dice_follows_the_published_rule_for_empty_truth(pairs):
    expected = []
    for prediction, truth in pairs:
        if not truth.any():
            expected.append(0.0 if prediction.any() else 1.0)
        else:
            expected.append(2 * np.sum(prediction * truth) / (prediction.sum() + truth.sum()))
    np.testing.assert_allclose(dice_each(_overlap(pairs)), expected, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(PAIRS, st.integers(1, 4))
def test_scores_are_means_over_the_named_images_and_inside_their_intervals(pairs, batch_size):
    overlap = _overlap(pairs)
    batches = np.arange(len(pairs)) // batch_size
    dice = dice_each(overlap)
    scores = score_masks(overlap, batches, [f"p{index}" for index in range(len(pairs))])
    assert set(scores) == {metric.name for metric in (*METRICS, *MEDSLIP_METRICS)}
    assert scores["dice-all"].value == pytest.approx(dice.mean())
    means = [dice[batches == batch].mean() for batch in np.unique(batches)]
    assert scores["dice-as-released"].value == pytest.approx(np.mean(means))
    for score in scores.values():
        if score.value is not None:
            assert score.low - 1e-12 <= score.value <= score.high + 1e-12 or len(pairs) < 4


def test_an_image_of_a_short_last_batch_weighs_more_as_released():
    full, empty = encode_mask(np.ones((4, 4))), encode_mask(np.zeros((4, 4)))
    overlap = overlap_of([full, full, full, empty], [full] * 4)
    scores = score_masks(overlap, np.array([0, 0, 0, 1]), list("abcd"))
    assert scores["dice-as-released"].value == pytest.approx(0.5)


def test_positive_metrics_are_undefined_and_say_so_without_foreground():
    empty = encode_mask(np.zeros((4, 4)))
    scores = score_masks(overlap_of([empty, empty], [empty, empty]), np.zeros(2, np.int64), ["a", "b"])
    assert scores["dice-positive"].value is None
    assert scores["iou-positive"].note == "no test image has foreground"
    assert scores["dice-all"].value == 1.0


def test_images_of_one_patient_are_drawn_together():
    full, empty = encode_mask(np.ones((4, 4))), encode_mask(np.zeros((4, 4)))
    overlap = overlap_of([full, empty] * 10, [full, full] * 10)
    one_patient = score_masks(overlap, np.zeros(20, np.int64), ["a"] * 20)["dice-positive"]
    many = score_masks(overlap, np.zeros(20, np.int64), [str(index) for index in range(20)])["dice-positive"]
    assert (one_patient.low, one_patient.high) == (0.5, 0.5)
    assert many.low < 0.5 < many.high


def test_masks_of_different_sizes_are_refused():
    with pytest.raises(TrialError, match="stands beside a truth"):
        overlap_of([encode_mask(np.ones((4, 4)))], [encode_mask(np.ones((4, 5)))])


def test_counts_that_contradict_each_other_are_refused():
    counts = Overlap(np.array([4.0]), np.array([4.0]), np.array([6.0]))
    with pytest.raises(TrialError, match="contradict"):
        score_masks(counts, np.zeros(1, np.int64), ["a"])


def test_masks_survive_as_plain_counts():
    mask = encode_mask(np.eye(6))
    overlap = overlap_of([Mask(6, 6, bytes(mask.counts))], [mask])
    assert dice_each(overlap).tolist() == [1.0]
