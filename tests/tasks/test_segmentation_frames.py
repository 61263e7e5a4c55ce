"""Masks in both frames, augmentation, and the rows that take part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from segmentation_toys import Silent

from medbench.errors import MissingDataError, TrialError
from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.masks import decode_mask, empty_mask, encode_mask
from medbench.samples import Mask, Sample
from medbench_tasks.segmentation import framed
from medbench_tasks.segmentation.framed import framed_masks
from medbench_tasks.segmentation.frames import padded_mask, shift_scale_rotate, squashed_mask
from medbench_tasks.segmentation.parts import annotated, balanced, positives
from medbench_tasks.segmentation.recipe import SegmentationRecipe


def _manifest(masks: list[Mask | None]) -> Manifest:
    samples = [Sample(sample_id=f"s{i}", patient_id=f"p{i}", image=f"{i}.png", mask=m) for i, m in enumerate(masks)]
    facts = [ImageFacts(8, 8, "0")] * len(masks)
    return Manifest("toy", Path("/"), ("finding",), "0", False, build_table(samples, ["finding"], facts))


def _rectangle(height: int, width: int) -> Mask:
    pixels = np.zeros((height, width))
    pixels[height // 4 : height // 2, width // 3 : width] = 1
    return encode_mask(pixels)


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 90), st.integers(3, 90))
def test_any_shape_becomes_a_square_with_values_in_range(height, width):
    mask = _rectangle(height, width)
    for frame in (squashed_mask, padded_mask):
        pixels = frame(mask, 32)
        assert pixels.shape == (32, 32)
        assert pixels.dtype == np.float32
        assert pixels.min() >= 0
        assert pixels.max() <= 1 + 1e-6


@pytest.mark.parametrize("side", [32, 64, 100, 224])
def test_both_frames_agree_on_square_images(side):
    mask = _rectangle(side, side)
    np.testing.assert_array_equal(squashed_mask(mask, 32), (padded_mask(mask, 32) >= 0.5).astype(np.float32))


def test_padded_mask_keeps_the_aspect_and_squashed_fills_the_square():
    mask = encode_mask(np.ones((40, 20)))
    assert padded_mask(mask, 16).sum() == 16 * 8
    assert not padded_mask(mask, 16)[:, :4].any()
    assert squashed_mask(mask, 16).all()


def test_a_thin_image_does_not_vanish():
    assert padded_mask(encode_mask(np.ones((1000, 1))), 16).any()


def test_squashed_masks_are_decoded_once_and_stay_as_they_were(monkeypatch):
    masks = [_rectangle(90, 50), empty_mask(40, 40), _rectangle(64, 64)]
    progress = Silent()
    kept = framed_masks(_manifest(masks), SegmentationRecipe(image_size=35), progress)  # 35 x 35 bits fill no last byte
    assert progress.phases == ["prepare"]
    monkeypatch.delattr(framed, "squashed_mask")
    for index, mask in enumerate(masks):
        np.testing.assert_array_equal(kept[index], squashed_mask(mask, 35))
        assert kept[index].dtype == np.float32


def test_padded_masks_keep_their_soft_edges():
    mask = _rectangle(90, 50)
    kept = framed_masks(_manifest([mask]), SegmentationRecipe(image_size=35, mask_frame="pad"), Silent())
    np.testing.assert_array_equal(kept[0], padded_mask(mask, 35))


def test_a_row_without_a_mask_is_named():
    with pytest.raises(TrialError, match="sample s1 has no mask annotation"):
        framed_masks(_manifest([empty_mask(8, 8), None]), SegmentationRecipe(), Silent())


def test_augmentation_moves_image_and_mask_together():
    pixels = decode_mask(_rectangle(64, 64))
    generator = np.random.default_rng(0)
    moved = 0
    for _ in range(20):
        image, mask = shift_scale_rotate(pixels * 255, pixels.astype(np.float32), generator)
        overlap = ((image > 127) == (mask > 0.5)).mean()
        assert overlap > 0.97
        assert set(np.unique(mask)) <= {0.0, 1.0}
        moved += not np.array_equal(mask, pixels)
    assert 4 <= moved <= 16


def test_rows_without_annotation_are_left_out():
    manifest = _manifest([empty_mask(8, 8), None, _rectangle(8, 8)])
    kept = annotated(manifest, "train")
    assert kept.sample_ids == ["s0", "s2"]
    assert positives(kept) == [False, True]


def test_a_part_without_any_annotation_is_an_error_that_names_it():
    with pytest.raises(MissingDataError, match="toy has no mask annotation on the 2 samples of the valid part"):
        annotated(_manifest([None, None]), "valid")


def test_balancing_keeps_all_positives_and_as_many_negatives():
    manifest = _manifest([_rectangle(8, 8) if index in {3, 11} else empty_mask(8, 8) for index in range(20)])
    kept = balanced(manifest, seed=0)
    assert {"s3", "s11"} <= set(kept.sample_ids)
    assert sum(positives(kept)) * 2 == len(kept) == 4
    assert kept.sample_ids == balanced(manifest, seed=0).sample_ids
    assert any(balanced(manifest, seed=seed).sample_ids != kept.sample_ids for seed in range(1, 5))


@pytest.mark.parametrize("positive", [0, 3, 4])
def test_balancing_leaves_a_part_without_a_surplus_of_negatives_alone(positive):
    manifest = _manifest([_rectangle(8, 8) if index < positive else empty_mask(8, 8) for index in range(5)])
    assert balanced(manifest, 0).sample_ids == manifest.sample_ids
