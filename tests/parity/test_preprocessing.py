"""Evaluation preprocessing against the released transforms of MGCA (padding) and MeDSLIP (squashing, equalisation)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from medbench.capabilities import Preprocess
from medbench.preprocessing import normalised, padded, resized

HALF = (0.5, 0.5, 0.5)
MGCA = Preprocess(resize=256, mode="pad", crop=224, mean=HALF, std=HALF)
MEDSLIP = Preprocess(
    resize=224,
    mode="squash",
    crop=224,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    interpolation="bilinear",
)
RSNA = Preprocess(
    resize=224,
    mode="squash",
    crop=224,
    mean=MEDSLIP.mean,
    std=MEDSLIP.std,
    interpolation="bilinear",
    equalise=True,
)


def arrays(shared: Path, name: str) -> dict[str, np.ndarray]:
    with np.load(shared / "golden" / name / "golden.npz") as stored:
        return dict(stored)


def tensor(pixels: np.ndarray, how: Preprocess) -> np.ndarray:
    return normalised(torch.from_numpy(resized(pixels, how))[None], how)[0].numpy()


@pytest.mark.parametrize("name", ["tall", "wide", "square"])
def test_mgca_pads_and_crops_as_released(shared, name):
    golden = arrays(shared, "mgca-metrics")
    pixels = golden[f"pre_{name}_in"]
    whole = padded(pixels, 256)
    np.testing.assert_array_equal(whole[::8, ::8], golden[f"pre_{name}_resize__corner"])
    np.testing.assert_allclose(
        [whole.mean(), whole.std()],
        [golden[f"pre_{name}_resize__mean"], golden[f"pre_{name}_resize__std"]],
        rtol=1e-9,
    )
    image = tensor(pixels, MGCA)[0]
    np.testing.assert_allclose(image[::8, ::8], golden[f"pre_{name}_tensor__corner"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(image.mean(), golden[f"pre_{name}_tensor__mean"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(image.std(), golden[f"pre_{name}_tensor__std"], rtol=1e-4, atol=1e-5)


def test_medslip_squashes_as_released(shared):
    golden = arrays(shared, "preproc-blip")
    image = tensor(golden["image_gray"], MEDSLIP)
    np.testing.assert_allclose(image[:, ::7, ::7], golden["cxr14_eval"], rtol=1e-4, atol=1e-5)


def test_medslip_equalises_rsna_as_released(shared):
    golden = arrays(shared, "preproc-blip")
    image = tensor(golden["rsna_pixels"], RSNA)
    np.testing.assert_allclose(image[:, ::7, ::7], golden["rsna_image"], rtol=1e-4, atol=1e-5)
