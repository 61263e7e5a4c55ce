"""A map over what a method was given is shown over the whole image, where it was scored."""

from __future__ import annotations

import numpy as np
import pytest

from medbench.capabilities import Preprocess
from medbench_tasks.grounding.frames import map_in_frame, placed, seen_part

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
