"""Preprocessing: sizes and crops against Pillow and torchvision, degenerate shapes, equalisation by its definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medbench import preprocessing
from medbench.capabilities import Preprocess
from medbench.images import MAX_PIXELS
from medbench.preprocessing import LONGEST, centre_crop, equalised, framed_shape, normalised, padded, resized

HALF = (0.5, 0.5, 0.5)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def declared(mode: str, resize: int, crop: int, interpolation: str = "area", *, equalise: bool = False) -> Preprocess:
    return Preprocess(
        resize=resize, mode=mode, crop=crop, mean=HALF, std=HALF, interpolation=interpolation, equalise=equalise
    )


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    mode=st.sampled_from(["pad", "canvas", "squash", "shorter"]),
    interpolation=st.sampled_from(["area", "bilinear", "bicubic"]),
    crop=st.integers(1, 40),
    equalise=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_the_crop_has_its_size_whatever_the_image(height, width, mode, interpolation, crop, equalise):
    how = declared(mode, 32, crop, interpolation, equalise=equalise)
    image = resized(noise(height, width), how)
    assert image.shape == (crop, crop)
    assert image.dtype == np.uint8


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(60, 41), (41, 60), (20, 33)])
def test_shorter_is_torchvisions_resize_and_centre_crop(interpolation, shape):
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    pixels = noise(*shape)
    theirs = Compose([Resize(32, InterpolationMode(interpolation)), CenterCrop(28)])(Image.fromarray(pixels))
    ours = resized(pixels, declared("shorter", 32, 28, interpolation))
    # By one at most: newer Pillow may scale the height first.
    assert np.abs(ours.astype(int) - np.asarray(theirs)).max() <= 1


def test_a_strip_is_cut_before_it_is_scaled_up():
    strip = np.full((1, 20_000), 9, np.uint8)
    assert np.array_equal(resized(strip, declared("shorter", 256, 224, "bilinear")), np.full((224, 224), 9))


@pytest.mark.parametrize("interpolation", ["area", "bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(60, 41), (41, 61), (20, 33), (32, 32), (7, 5), (64, 64)])
def test_a_canvas_is_the_image_on_black_scaled_as_a_whole(interpolation, shape):
    pixels, side = noise(*shape), max(32, *shape)
    canvas = np.zeros((side, side), np.uint8)
    top, left = (side - shape[0]) // 2, (side - shape[1]) // 2
    canvas[top : top + shape[0], left : left + shape[1]] = pixels
    ours = resized(pixels, declared("canvas", 32, 32, interpolation))
    np.testing.assert_array_equal(ours, resized(canvas, declared("squash", 32, 32, interpolation)))


def test_a_canvas_has_the_odd_pixel_of_padding_after_the_image():
    image = resized(np.full((4, 7), 9, np.uint8), declared("canvas", 9, 9))
    assert (image[2:6, 1:8] == 9).all()
    assert image.sum() == 4 * 7 * 9


@pytest.mark.parametrize("least", [0, 16, 50])
def test_a_canvas_has_a_least_side_apart_from_the_one_it_is_scaled_to(least):
    pixels = noise(20, 13)
    side = max(least or 32, 20)
    canvas = np.zeros((side, side), np.uint8)
    top, left = (side - 20) // 2, (side - 13) // 2
    canvas[top : top + 20, left : left + 13] = pixels
    ours = resized(pixels, replace(declared("canvas", 32, 32, "bilinear"), least=least))
    np.testing.assert_array_equal(ours, resized(canvas, declared("squash", 32, 32, "bilinear")))


@pytest.mark.parametrize(("shape", "held"), [((30, 900), 900), ((400, 49), 400), ((5, 5), 32), ((9_999, 1), 9_999)])
def test_a_strip_lies_whole_on_its_canvas(shape, held):
    assert framed_shape(*shape, declared("canvas", 32, 32)) == (held, held)
    strip = np.full(shape, 255, np.uint8)
    seen = resized(strip, declared("canvas", 32, 32)).astype(float).sum() / 255 / 32**2
    assert seen == pytest.approx(strip.size / held**2, abs=2e-3)


@pytest.mark.parametrize("interpolation", ["area", "bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(280, 35, 3), (35, 281), (1, 6_000)])
def test_no_canvas_is_larger_than_the_largest_image(monkeypatch, interpolation, shape):
    """Here 100 pixels a side: beyond, an image is first scaled to that length, as it would be to be padded."""
    held = []

    def framed(*args, pad=preprocessing._framed):
        held.append(pad(*args))
        return held[-1]

    monkeypatch.setattr(preprocessing, "LONGEST", 100)
    monkeypatch.setattr(preprocessing, "_framed", framed)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    ours = resized(pixels, declared("canvas", 32, 32, interpolation))
    assert [one.shape[:2] for one in held] == [(100, 100)]
    theirs = resized(padded(pixels, 100, interpolation), declared("squash", 32, 32, interpolation))
    np.testing.assert_array_equal(ours, theirs)


def test_the_largest_canvas_has_the_pixels_of_the_largest_image():
    assert LONGEST**2 == MAX_PIXELS
    how = declared("canvas", 224, 224)
    assert [framed_shape(*shape, how) for shape in [(28_000, 3_500), (1, MAX_PIXELS), (10_000, 10_000)]] == [
        (LONGEST, LONGEST)
    ] * 3
    assert framed_shape(20_000, 5, replace(how, resize=12_000)) == (12_000, 12_000)


def test_padding_is_even_with_the_odd_pixel_after():
    image = padded(np.full((10, 5), 200, np.uint8), 7)
    assert image.shape == (7, 7)
    assert (image[:, 2:5] == 200).all()
    assert not image[:, :2].any()
    assert not image[:, 5:].any()


def test_a_crop_larger_than_the_image_is_padded_with_zeros():
    image = centre_crop(np.ones((3, 4), np.uint8), 6)
    assert image.shape == (6, 6)
    assert image.sum() == 12
    assert (image[1:4, 1:5] == 1).all()


def test_equalisation_is_monotone_and_flat():
    pixels = np.sort(noise(40, 40).ravel() // 3).reshape(40, 40)
    spread = equalised(pixels)
    assert (np.diff(spread.ravel().astype(int)) >= 0).all()
    assert abs(np.median(spread) - 127) < 8
    assert spread.max() == 255


def test_an_all_black_image_stays_finite():
    black = np.zeros((8, 8), np.uint8)
    for equalise in (False, True):
        image = resized(black, declared("squash", 8, 8, equalise=equalise))
        assert torch.isfinite(normalised(torch.from_numpy(image)[None], declared("squash", 8, 8))).all()


def test_normalised_repeats_grey_in_three_channels():
    how = Preprocess(resize=4, mode="squash", crop=4, mean=(0.1, 0.2, 0.3), std=(1.0, 0.5, 0.25))
    batch = torch.from_numpy(np.stack([noise(4, 4), noise(4, 4, seed=1)]))
    out = normalised(batch, how)
    assert out.shape == (2, 3, 4, 4)
    for channel, (mean, std) in enumerate(zip(how.mean, how.std, strict=True)):
        torch.testing.assert_close(out[:, channel], (batch / 255 - mean) / std)


@pytest.mark.parametrize("mode", ["pad", "canvas", "squash", "shorter"])
@pytest.mark.parametrize("interpolation", ["area", "bilinear", "bicubic"])
def test_colours_are_scaled_as_grey_is(mode, interpolation):
    how = Preprocess(resize=12, mode=mode, crop=10, mean=(0,) * 3, std=(1,) * 3, interpolation=interpolation)
    pixels = np.random.default_rng(0).integers(0, 256, (17, 23, 3), np.uint8)
    together = resized(pixels, how)
    assert together.shape == (10, 10, 3)
    for channel in range(3):
        np.testing.assert_array_equal(together[..., channel], resized(pixels[..., channel].copy(), how))
    batch = normalised(torch.from_numpy(together[None]), how)
    np.testing.assert_allclose(batch[0].permute(1, 2, 0), together / np.float32(255), rtol=1e-6)
