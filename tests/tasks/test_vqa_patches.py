"""Frozen patch features: the coarsest map, averaged down to at most 7 x 7, in row-major order, kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor
from vqa_toys import TinyEyes, blob_questions, context_of

from medbench_tasks.patches import GRID, patch_features

if TYPE_CHECKING:
    from pathlib import Path


class Counted(TinyEyes):
    """A fine map that must not be used, and a coarse one of ``side`` x ``side`` whose values are their places."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side, self.encoded = side, 0

    def encode_pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        self.encoded += len(images)
        places = torch.arange(self.side**2, dtype=torch.float32).reshape(1, 1, self.side, self.side)
        coarse = places.expand(len(images), 2, -1, -1)
        return torch.full((len(images), 2, 64, 64), torch.nan), coarse


@pytest.mark.parametrize(("side", "tokens"), [(14, GRID**2), (7, GRID**2), (4, 16)])
def test_patches_are_the_coarsest_map_in_rows_of_at_most_seven(tmp_path: Path, side: int, tokens: int) -> None:
    model = Counted(side)
    context = context_of(tmp_path, model=model)
    pictures, index = context.test.distinct()
    patches = patch_features(context, pictures)
    assert (len(patches), patches.row_shape) == (20, (tokens, 2))
    assert len(index) == 40
    grid = min(side, GRID)
    places = np.arange(side**2, dtype=np.float32).reshape(grid, side // grid, grid, side // grid)
    np.testing.assert_allclose(patches[0][:, 0], places.mean(axis=(1, 3)).ravel())
    patch_features(context, pictures)
    assert model.encoded == 20, "the second time they come from the cache"


def test_patches_of_a_dataset_are_encoded_once_for_all_its_questions(tmp_path: Path) -> None:
    model = Counted(3)
    context = context_of(tmp_path, model=model, train=blob_questions(tmp_path / "images", 5, 7))
    assert len(patch_features(context, context.train)) == 10
    assert model.encoded == 5
