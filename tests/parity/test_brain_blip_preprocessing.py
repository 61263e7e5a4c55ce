"""Images and positions of BLIP are the release's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from transformers import BlipVisionConfig, BlipVisionModel
from weights import ATOL, RTOL, _tensor, golden_arrays

from medbench.preprocessing import normalised, resized
from medbench_methods.nets.blip_flavour import BLIP, BRAIN_BLIP

if TYPE_CHECKING:
    from pathlib import Path


def test_images_are_the_published_ones(shared: Path) -> None:
    arrays = golden_arrays(shared / "golden" / "preproc-blip")
    preprocess = BRAIN_BLIP.preprocess(224)
    pixels = torch.from_numpy(resized(arrays["image_gray"], preprocess))[None]
    ours = normalised(pixels, preprocess)[0, :, ::7, ::7]
    np.testing.assert_allclose(ours.numpy(), arrays["brain_eval"], rtol=RTOL, atol=ATOL)
    assert BLIP.preprocess(224) == preprocess


@pytest.mark.parametrize(("size", "step"), [(128, 3), (384, 9), (480, 9)])
def test_positions_are_interpolated_as_published(shared: Path, size: int, step: int) -> None:
    arrays = golden_arrays(shared / "golden" / "preproc-blip")
    config = BlipVisionConfig(hidden_size=768, num_hidden_layers=1, image_size=224, patch_size=16)
    embeddings = BlipVisionModel(config).embeddings
    grid = size // 16
    with torch.no_grad():
        embeddings.position_embedding.copy_(_tensor("visual_encoder.pos_embed", (1, 197, 768), "float32"))
        found = embeddings.interpolate_pos_encoding(torch.zeros(1, grid * grid + 1, 768), size, size)
    np.testing.assert_allclose(found[0, ::step, ::16].numpy(), arrays[f"pos_{size}"], rtol=RTOL, atol=ATOL)
