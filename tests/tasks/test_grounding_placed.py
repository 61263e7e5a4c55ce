"""A map over what a method was given is shown over the whole image, where it was scored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from zeroshot_toys import SIDE, manifest_of

from medbench.capabilities import Preprocess
from medbench_tasks.grounding.frames import map_in_frame, placed, seen_part
from medbench_tasks.grounding.protocol import answers_of
from medbench_tasks.grounding.recipe import STANDARD_GROUNDING
from medbench_tasks.grounding.truths import Truths

HALF = (0.5, 0.5, 0.5)


@pytest.mark.parametrize("mode", ["squash", "pad", "canvas", "shorter"])
@pytest.mark.parametrize("crop", [256, 224])
@pytest.mark.parametrize("size", [(300, 200), (200, 300), (256, 256)])
def test_a_map_lies_where_it_was_scored(mode: str, crop: int, size: tuple[int, int]) -> None:
    preprocess = Preprocess(resize=256, mode=mode, crop=crop, mean=HALF, std=HALF)
    relevance = np.random.default_rng(0).uniform(0.1, 1, (7, 7)).astype(np.float32)
    scored = np.nan_to_num(map_in_frame(relevance, *size, preprocess, 112))
    shown = placed(relevance, seen_part(*size, preprocess), 112)
    assert shown.dtype == np.float32
    assert (shown != scored.astype(np.float32)).mean() < 0.03, "but for pixels that fall on the border of two cells"


def test_a_squashed_image_that_is_not_cropped_is_seen_whole() -> None:
    preprocess = Preprocess(resize=224, mode="squash", crop=224, mean=HALF, std=HALF)
    assert seen_part(300, 200, preprocess) == (0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize("reduced", [1, 2])
@pytest.mark.parametrize("mode", ["canvas", "pad"])
def test_what_a_canvas_showed_goes_by_the_size_that_was_read(tmp_path: Path, mode: str, reduced: int) -> None:
    preprocess = Preprocess(resize=2 * SIDE, mode=mode, crop=2 * SIDE, mean=HALF, std=HALF)
    manifest = replace(manifest_of(tmp_path, [1]), side=SIDE // reduced)
    test = Truths(manifest, [np.ones((STANDARD_GROUNDING.side,) * 2, np.bool_)])
    (answer,) = answers_of(np.ones((1, 8, 8), np.float32), test, preprocess, STANDARD_GROUNDING)
    beyond = (2 * reduced - 1) / 2 if mode == "canvas" else 0.0
    assert answer.seen == (-beyond, -beyond, 1 + beyond, 1 + beyond)
