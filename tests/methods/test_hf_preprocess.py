"""Image processors' configurations, as transformers has written them over the years."""

from __future__ import annotations

from typing import Any

import pytest

from medbench.errors import CheckpointError, UsageError
from medbench_methods.nets.hf_preprocess import as_preprocess, read_preprocess

NORM = {"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 1]}
RAD_DINO = {
    "size": {"shortest_edge": 518},
    "do_center_crop": True,
    "crop_size": {"height": 518, "width": 518},
    "resample": 3,
}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (RAD_DINO, (518, "shorter", 518, "bicubic")),
        ({"size": {"height": 224, "width": 224}}, (224, "squash", 224, "bilinear")),
        ({"size": 224, "image_processor_type": "ViTFeatureExtractor"}, (224, "squash", 224, "bilinear")),
        (
            {"size": 224, "feature_extractor_type": "CLIPFeatureExtractor", "crop_size": 224, "do_center_crop": True},
            (224, "shorter", 224, "bilinear"),
        ),
        (
            {"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": 224, "resample": 3},
            (256, "shorter", 224, "bicubic"),
        ),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875, "resample": 3}, (256, "shorter", 224, "bicubic")),
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.875}, (384, "squash", 384, "bilinear")),
    ],
)
def test_sizes(config: dict[str, Any], expected: tuple[int, str, int, str]) -> None:
    found = as_preprocess(NORM | config, "here")
    assert (found.resize, found.mode, found.crop, found.interpolation) == expected
    assert found.mean == (0.1, 0.2, 0.3)


def test_no_normalisation() -> None:
    found = as_preprocess({"size": 32, "do_normalize": False}, "here")
    assert (found.mean, found.std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    "config",
    [
        {"size": 32, "resample": 1},
        {"size": 32, "rescale_factor": 1 / 127.5},
        {"size": {"height": 32, "width": 64}},
        {"size": {"shortest_edge": 32, "longest_edge": 64}},
        {"size": 32, "do_resize": False},
        {"size": 32, "image_mean": None},
    ],
)
def test_what_cannot_be_made_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"^here "):
        as_preprocess(NORM | config, "here")


def test_the_nested_form_is_read_and_none_is_said(tmp_path: Any) -> None:
    with pytest.raises(CheckpointError, match=r"no preprocessor_config.json"):
        read_preprocess(tmp_path)
    (tmp_path / "processor_config.json").write_text(
        '{"image_processor": {"size": 32, "image_mean": [0], "image_std": [1]}}'
    )
    assert read_preprocess(tmp_path).mean == (0.0, 0.0, 0.0)
