"""Resizing stacks on the device against the host's libraries: the same pixels, whatever the size, mode and company."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.capabilities import Preprocess
from medbench.device_resize import MOST_TAPS, hosted, resized_on_device
from medbench.images import read_grey
from medbench.preprocessing import resized
from medbench.resampling import plan_of

HOW = Preprocess(resize=32, mode="shorter", crop=28, mean=(0.0,) * 3, std=(1.0,) * 3, interpolation="bicubic")
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here"))]
SIDES = st.integers(1, 700)
MODES = st.sampled_from(["pad", "canvas", "squash", "shorter"])
INTERPOLATIONS = st.sampled_from(["area", "bilinear", "bicubic"])


class Sender:
    """Stacks on a device, with noise where nothing lies: it must not be seen."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, pictures):
        sides = [max(picture.shape[axis] for picture in pictures) for axis in (0, 1)]
        stack = noise((len(pictures), *sides, *pictures[0].shape[2:]), 99)
        for place, picture in zip(stack, pictures, strict=True):
            place[: picture.shape[0], : picture.shape[1]] = picture
        self.shapes.append(stack.shape)
        return torch.from_numpy(stack).to(self.device)


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def on_device(pictures: list[np.ndarray], how: Preprocess, send: Sender | None = None) -> np.ndarray:
    return resized_on_device([hosted(one, how) for one in pictures], send or Sender()).cpu().numpy()


def check(pictures: list[np.ndarray], how: Preprocess, send: Sender | None = None) -> None:
    np.testing.assert_array_equal(on_device(pictures, how, send), np.stack([resized(one, how) for one in pictures]))


@given(
    shapes=st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=3),
    mode=MODES,
    interpolation=INTERPOLATIONS,
    resize=st.integers(1, 160),
    crop=st.integers(1, 160),
    colour=st.booleans(),
    equalise=st.booleans(),
    two_levels=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_every_pixel_is_the_hosts(shapes, mode, interpolation, resize, crop, colour, equalise, two_levels):
    how = replace(HOW, resize=resize, mode=mode, crop=crop, interpolation=interpolation, equalise=equalise)
    pictures = [noise((*shape, 3) if colour else shape, seed) for seed, shape in enumerate(shapes)]
    check([np.where(one > 127, 255, 0).astype(np.uint8) if two_levels else one for one in pictures], how)


@pytest.mark.parametrize("ratio", [2, 3, 4, 6, 1.25, 10 / 3, 4 / 3, 2.5])
@pytest.mark.parametrize("mode", ["pad", "canvas", "squash"])
def test_areas_are_added_and_rounded_as_opencv_does(ratio, mode):
    side = round(60 * ratio)
    how = replace(HOW, resize=60, crop=60, mode=mode, interpolation="area")
    check([noise((side, side)), noise((side, 60), 1), noise((side - 7, side), 2) // 200 * 255], how)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("interpolation", ["area", "bilinear", "bicubic"])
@pytest.mark.parametrize("mode", ["pad", "canvas", "squash", "shorter"])
def test_real_pictures_are_the_hosts(shared, device, mode, interpolation):
    folders = ("nih-chestxray14-sample", "covid-cxr-open")
    paths = [path for name in folders for path in sorted((shared / "data" / name).rglob("*.png"))[:2]]
    assert paths
    how = replace(HOW, resize=256, crop=224, mode=mode, interpolation=interpolation)
    check([read_grey(path) for path in paths], how, Sender(device))


def test_sizes_that_differ_a_little_travel_in_one_stack_and_keep_their_places():
    send = Sender()
    shapes = [(300, 300), (40, 50), (300, 310), (290, 300), (41, 50)]
    check([noise(shape, seed) for seed, shape in enumerate(shapes)], replace(HOW, resize=64), send)
    assert sorted(send.shapes) == [(2, 41, 50), (3, 300, 310)]


def test_many_large_pictures_are_resized_a_few_at_a_time(monkeypatch):
    monkeypatch.setattr("medbench.device_resize._AT_ONCE", 2 * 90 * 90)
    send = Sender()
    check([noise((90, 90), seed) for seed in range(5)], HOW, send)
    assert [shape[0] for shape in send.shapes] == [2, 2, 1]


@pytest.mark.parametrize(
    ("shape", "how"),
    [
        ((20, 20), replace(HOW, interpolation="area")),
        ((1500, 1500), HOW),
        ((17 * MOST_TAPS, 60), replace(HOW, mode="squash")),
        ((17 * MOST_TAPS, 90), replace(HOW, mode="canvas")),
    ],
    ids=["enlarged by area", "large", "many taps", "many taps on a canvas"],
)
def test_what_only_the_host_resizes_arrives_resized(shape, how):
    picture = noise(shape)
    one = hosted(picture, how)
    assert one.plan is None
    np.testing.assert_array_equal(one.pixels, resized(picture, how))
    check([picture, noise((40, 40))], how)


def test_a_canvas_with_a_least_side_of_its_own_is_the_hosts():
    how = replace(HOW, mode="canvas", resize=90, crop=80, least=40)
    check([noise((20, 30)), noise((45, 60), 1), noise((300, 170), 2)], how)


def test_an_image_too_long_for_its_canvas_is_the_hosts(monkeypatch):
    monkeypatch.setattr("medbench.preprocessing.LONGEST", 64)
    how = replace(HOW, mode="canvas", least=48, interpolation="bilinear")
    assert hosted(noise((5, 65)), how).plan is None
    assert hosted(noise((5, 64)), how).plan is not None
    check([noise((5, 65)), noise((5, 64), 1), noise((200, 3), 2)], how)


def test_mixed_precision_around_it_changes_nothing():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        check([noise((200, 210))], HOW)


@given(height=SIDES, width=SIDES, interpolation=st.sampled_from(["bilinear", "bicubic"]))
@settings(max_examples=30, deadline=None)
def test_halves_of_the_weights_are_summed_without_rounding(height, width, interpolation):
    """What the module says of single precision and TF32: no factor above 11 bits, no sum above 24."""
    plan = plan_of(height, width, replace(HOW, resize=100, interpolation=interpolation))
    for taps in (plan.rows, plan.columns):
        assert taps.weights.shape[1] <= MOST_TAPS
        upper = (taps.weights + 2048) >> 12
        lower = taps.weights - (upper << 12)
        assert max(abs(upper).max(), abs(lower).max()) <= 2**11
        assert 255 * max(abs(upper).sum(axis=1).max(), abs(lower).sum(axis=1).max()) < 2**24
