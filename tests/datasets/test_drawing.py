"""The phantom's images: lungs darker than the body, findings where they are said to be, all from the generator."""

from __future__ import annotations

import numpy as np
import pytest

from medbench_datasets import drawing

SEEDS = range(6)


@pytest.mark.parametrize("seed", SEEDS)
def test_lungs_are_dark_regions_on_either_side_of_a_bright_body(seed: int) -> None:
    thorax = drawing.draw_thorax(96, np.random.default_rng(seed))
    body = (thorax.pixels > 0.1) & ~thorax.lungs
    assert thorax.pixels[thorax.lungs].mean() < 0.7 * thorax.pixels[body].mean()
    assert not (thorax.right_lung & thorax.left_lung).any()
    for lung, low, high in ((thorax.right_lung, 0, 48), (thorax.left_lung, 48, 96)):
        assert 0.06 < lung.mean() < 0.25
        assert low < np.nonzero(lung)[1].mean() < high


@pytest.mark.parametrize("seed", SEEDS)
def test_an_opacity_brightens_its_box_and_nothing_far_from_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    thorax = drawing.draw_thorax(128, rng)
    changed, box = drawing.add_opacity(thorax, thorax.right_lung, rng)
    gain = changed.pixels - thorax.pixels
    middle = gain[int(box.y + box.height / 3) : int(box.y + box.height * 2 / 3), :][
        :, int(box.x + box.width / 3) : int(box.x + box.width * 2 / 3)
    ]
    assert middle.mean() > 0.2
    assert gain.min() >= -1e-6
    gain[int(box.y) : int(box.y + box.height), int(box.x) : int(box.x + box.width)] = 0
    assert gain.sum() < 0.2 * (changed.pixels - thorax.pixels).sum()
    assert 0.1 * 128 < box.width < 0.36 * 128


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pneumothorax_is_darker_and_smoother_than_the_lung_it_takes_from(seed: int) -> None:
    rng = np.random.default_rng(seed)
    thorax = drawing.draw_thorax(128, rng)
    changed, air = drawing.add_pneumothorax(thorax, thorax.left_lung, rng)
    rest = thorax.left_lung & ~air
    assert not (air & ~thorax.left_lung).any()
    assert air.sum() > 0.15 * thorax.left_lung.sum()
    assert changed.pixels[air].mean() < 0.6 * changed.pixels[rest].mean()


def test_patients_differ_and_a_seed_repeats() -> None:
    one, same, other = (drawing.draw_thorax(48, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.pixels, same.pixels)
    assert np.abs(one.pixels - other.pixels).mean() > 0.01


def test_finished_images_are_8_bit_and_use_the_range() -> None:
    rng = np.random.default_rng(0)
    image = drawing.finish(drawing.draw_thorax(64, rng), rng)
    assert image.dtype == np.uint8
    assert image.max() - image.min() > 150


def test_a_tight_box_touches_the_region_on_all_sides() -> None:
    region = np.zeros((10, 12), bool)
    region[2:5, 3:9] = True
    assert drawing.tight_box(region, 1) == (1, 3, 2, 6, 3)
