"""Areas, frames and metrics of grounding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medbench.capabilities import Preprocess
from medbench.errors import TrialError
from medbench.masks import encode_mask
from medbench.pixels.reducing import reduced
from medbench.preprocessing import resized
from medbench.samples import Box
from medbench_tasks.grounding.frames import boxes_in_frame, map_in_frame, mask_in_frame, placed_size
from medbench_tasks.grounding.metrics import Areas, Counts, areas_of, count, per_image, score_areas

SIDE = 28


def how(mode: str, resize: int = 64, crop: int = 64) -> Preprocess:
    return Preprocess(resize=resize, mode=mode, crop=crop, mean=(0.0,) * 3, std=(1.0,) * 3)


def test_counts_of_a_map_with_one_peak() -> None:
    relevance = np.zeros((4, 4))
    relevance[:2, :2] = 2.0
    relevance[3, 3] = 1.0
    truth = np.zeros((4, 4), np.bool_)
    truth[1:3, :2] = True
    assert count(relevance, truth, 0.5) == Counts(peak=4, peak_inside=2, predicted=5, truth=4, shared=2)
    values = per_image(areas_of([count(relevance, truth, 0.5)]))
    assert {name: float(value[0]) for name, value in values.items()} == pytest.approx(
        {
            "pointing-game": 0.5,
            "iou": 2 / 7,
            "dice": 4 / 9,
            "recall": 0.5,
            "precision": 0.4,
            "pointing-game-as-released": 1.0,
        }
    )


def test_the_threshold_itself_is_not_answered() -> None:
    relevance = np.full((2, 2), 0.5)
    assert count(relevance, np.ones((2, 2), np.bool_), 0.5).predicted == 0


def test_nothing_answered_scores_nothing() -> None:
    values = per_image(areas_of([count(np.zeros((2, 2)), np.eye(2, dtype=np.bool_), 0.5)]))
    assert [float(values[name][0]) for name in ("iou", "dice", "recall", "precision")] == [0, 0, 0, 0]


def test_a_map_that_is_the_same_everywhere_points_by_chance_alone() -> None:
    truth = np.zeros((8, 8), np.bool_)
    truth[:2] = True
    values = per_image(areas_of([count(np.ones((8, 8)), truth, 0.5)]))
    assert (values["pointing-game"][0], values["pointing-game-as-released"][0]) == (0.25, 1.0)


def test_what_was_not_seen_is_neither_answered_nor_a_peak() -> None:
    relevance = np.array([[np.nan, 1.0], [0.0, np.nan]])
    assert count(relevance, np.ones((2, 2), np.bool_), 0.5) == Counts(1, 1, 1, 4, 1)
    assert count(np.full((2, 2), np.nan), np.ones((2, 2), np.bool_), 0.5) == Counts(0, 0, 0, 4, 0)


@given(arrays(np.float32, (6, 6), elements=st.floats(0, 1, width=32)), arrays(np.bool_, (6, 6)), st.floats(0, 1))
def test_every_metric_lies_in_0_to_1(relevance: np.ndarray, truth: np.ndarray, threshold: float) -> None:
    for value in per_image(areas_of([count(relevance.astype(np.float64), truth, threshold)])).values():
        assert 0 <= value[0] <= 1


def test_areas_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(TrialError, match="areas contradict each other"):
        per_image(Areas(*np.array([[1.0], [0.0], [2.0], [2.0], [3.0]])))


def test_intervals_are_over_patients() -> None:
    hit, miss = Counts(1, 1, 4, 4, 4), Counts(1, 0, 4, 4, 0)
    areas = areas_of([hit, hit, miss, miss])
    same = score_areas(areas, ["a", "a", "a", "a"])["iou"]
    apart = score_areas(areas, ["a", "b", "c", "d"])["iou"]
    assert (same.value, same.low, same.high, same.n) == (0.5, 0.5, 0.5, 4)
    assert apart.low is not None
    assert apart.high is not None
    assert apart.low < 0.5 < apart.high


def test_without_a_positive_image_nothing_is_defined() -> None:
    values = score_areas(areas_of([]), [])
    assert {value.value for value in values.values()} == {None}
    assert values["iou"].note == "no test image with the finding"


def test_boxes_are_drawn_as_they_would_be_at_full_size() -> None:
    boxes = [Box(0, 3.9, 10.2, 20.6, 12.5), Box(0, 40.0, -5.0, 60.0, 10.0)]
    drawn = np.zeros((50, 80), np.bool_)
    for box in boxes:
        top, left = int(box.y), int(box.x)
        drawn[max(0, top) : max(0, top + int(box.height)), max(0, left) : left + int(box.width)] = True
    rows, columns = np.arange(SIDE) * 50 // SIDE, np.arange(SIDE) * 80 // SIDE
    np.testing.assert_array_equal(boxes_in_frame(boxes, 50, 80, SIDE), drawn[np.ix_(rows, columns)])
    np.testing.assert_array_equal(mask_in_frame(encode_mask(drawn), SIDE), drawn[np.ix_(rows, columns)])


def test_a_squashed_map_repeats_each_cell() -> None:
    relevance = np.arange(196.0).reshape(14, 14)
    frame = map_in_frame(relevance, 300, 100, how("squash"), SIDE)
    np.testing.assert_array_equal(frame, relevance.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize(
    "preprocess",
    [
        *(how("squash"), how("squash", 80, 64), how("pad"), how("pad", 80, 64), how("canvas"), how("canvas", 80, 64)),
        *(how("shorter"), how("shorter", 72)),
    ],
)
@pytest.mark.parametrize("size", [(160, 160), (160, 100), (100, 160)])
def test_a_map_lies_where_its_preprocess_put_the_image(preprocess: Preprocess, size: tuple[int, int]) -> None:
    """The preprocessed pixels of an image with a bright block, taken as a map, have their peak on that block."""
    pixels = np.zeros(size, np.uint8)
    top, left = size[0] // 2, size[1] // 2 - 30
    pixels[top : top + 30, left : left + 30] = 200
    relevance = resized(pixels, preprocess).astype(np.float32)
    frame = map_in_frame(relevance, *size, preprocess, 224)
    truth = boxes_in_frame([Box(0, left, top, 30, 30)], *size, 224)
    values = per_image(areas_of([count(frame, truth, 100.0)]))
    assert values["pointing-game"][0] > 0.95
    assert values["iou"][0] > 0.8


@pytest.mark.parametrize("size", [(30, 900), (900, 30), (49, 400), (40, 30)])
def test_a_map_of_a_strip_or_a_small_image_lies_where_its_canvas_had_it(size: tuple[int, int]) -> None:
    """The preprocessed pixels of an image that brightens along each side, taken as a map, are where they were."""
    for axis in (0, 1):
        ramp = (60 + 190 * (np.arange(size[axis]) + 0.5) / size[axis]).astype(np.uint8)
        pixels = np.broadcast_to(ramp[:, None] if axis == 0 else ramp, size)
        relevance = resized(np.ascontiguousarray(pixels), how("canvas", 512, 512)).astype(np.float32)
        frame = map_in_frame(relevance, *size, how("canvas", 512, 512), 100)
        cells = size[axis] * 512 / max(512, *size)
        inner = frame[10:90, 10:90].mean(axis=1 - axis)
        np.testing.assert_allclose(inner, 60 + 190 * (np.arange(10, 90) + 0.5) / 100, atol=2 + 0.6 * 190 / cells)


@pytest.mark.parametrize("side", [0, 40, 128, 512])
@pytest.mark.parametrize("mode", ["canvas", "pad", "shorter"])
def test_a_map_of_an_image_that_was_read_smaller_lies_where_it_was(mode: str, side: int) -> None:
    preprocess = how(mode, 224, 224)
    image = np.zeros((512, 640), np.uint8)
    image[:, 300:350] = 200
    relevance = resized(reduced(image, side), preprocess).astype(np.float32)
    frame = map_in_frame(relevance, *placed_size(512, 640, preprocess, side), preprocess, 256)
    assert np.isfinite(frame).mean() == pytest.approx(0.8 if mode == "shorter" else 1, abs=0.01)
    found = (np.nan_to_num(frame).mean(axis=0) > 100).nonzero()[0]
    assert (found[0], found[-1]) == (pytest.approx(120, abs=2), pytest.approx(139, abs=2))


def test_what_a_crop_cuts_off_is_not_seen() -> None:
    frame = map_in_frame(np.ones((8, 8)), 160, 160, how("squash", 128, 64), SIDE)
    seen = ~np.isnan(frame)
    assert seen[SIDE // 4 + 1 : -SIDE // 4 - 1, SIDE // 4 + 1 : -SIDE // 4 - 1].all()
    assert seen.sum() == (SIDE // 2) ** 2
