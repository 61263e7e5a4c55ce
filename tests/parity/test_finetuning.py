"""The published linear probes: what they see of an image, and what their head answers, against the goldens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from weights import assert_golden, golden_arrays, head_state_dict

from medbench.capabilities import Preprocess
from medbench.preprocessing import centre_crop, normalised, resized
from medbench_tasks.finetuning.frames import evaluation_frame, source_frame
from medbench_tasks.finetuning.model import build_head
from medbench_tasks.finetuning.recipe import MGCA_LINEAR, MGCA_LINEAR_CHEXPERT

SOME_METHOD = Preprocess(
    resize=224, mode="squash", crop=224, mean=(0.48,) * 3, std=(0.22,) * 3, interpolation="bilinear"
)
EVERY_EIGHTH = (slice(None, None, 8), slice(None, None, 8))


@pytest.mark.parametrize("shape", ["tall", "wide", "square"])
def test_an_image_of_the_mgca_recipe_is_the_published_tensor_whatever_the_method(shared: Path, shape: str) -> None:
    arrays = golden_arrays(shared / "golden" / "mgca-metrics")
    pixels = arrays[f"pre_{shape}_in"]
    frame = evaluation_frame(MGCA_LINEAR, SOME_METHOD)
    tensor = normalised(torch.from_numpy(resized(pixels, frame))[None], frame)
    assert tensor.shape == (1, 3, 224, 224)
    for channel in tensor[0]:
        assert_golden(arrays, f"pre_{shape}_tensor", channel, EVERY_EIGHTH)


@pytest.mark.parametrize("shape", ["tall", "wide", "square"])
def test_training_crops_are_cut_from_the_published_padded_image(shared: Path, shape: str) -> None:
    arrays = golden_arrays(shared / "golden" / "mgca-metrics")
    pixels = arrays[f"pre_{shape}_in"]
    frame = evaluation_frame(MGCA_LINEAR_CHEXPERT, SOME_METHOD)
    source = resized(pixels, source_frame(MGCA_LINEAR_CHEXPERT, frame))
    assert_golden(arrays, f"pre_{shape}_resize", torch.from_numpy(source), EVERY_EIGHTH)
    np.testing.assert_array_equal(centre_crop(source, 224), resized(pixels, frame))


@pytest.mark.parametrize("folder", ["mgca-resnet50", "mgca-vit_base"])
@pytest.mark.parametrize("task", ["chexpert", "rsna"])
def test_the_head_answers_the_published_logits(shared: Path, folder: str, task: str) -> None:
    arrays = golden_arrays(shared / "golden" / folder)
    published = head_state_dict(shared / "golden" / folder, f"linear_{task}")
    features = torch.from_numpy(arrays["img_feat"])
    weight, bias = published.values()
    head = build_head(MGCA_LINEAR, features.shape[1], len(bias))
    head.load_state_dict({"0.weight": weight, "0.bias": bias})
    with torch.no_grad():
        assert_golden(arrays, f"linear_logits_{task}", head(features))
