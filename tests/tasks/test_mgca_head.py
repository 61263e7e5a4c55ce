"""The published head under mixed precision."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from dense_toys import TinyEncoder
from mmengine.structures import InstanceData

from medbench_tasks.detection import mgca_head
from medbench_tasks.detection.model import STRIDES, build_detector
from medbench_tasks.pyramid import MethodPyramid
from medbench_tasks.recipes import DetectionRecipe


def test_losses_are_taken_in_float32_outside_of_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA's autocast raises on binary cross-entropy; the CPU's does not, so that the setting itself is looked at."""
    seen: list[tuple[bool, torch.dtype]] = []

    def spy(split: torch.Tensor, targets: Any, real: Any = mgca_head.grid_losses) -> Any:
        seen.append((torch.is_autocast_enabled("cpu"), split.dtype))
        return real(split, targets)

    monkeypatch.setattr(mgca_head, "grid_losses", spy)
    recipe = DetectionRecipe(flavour="mgca", image_size=64, neck_channels=(16, 8, 8))
    head = build_detector(MethodPyramid(TinyEncoder(), strides=STRIDES), recipe, num_classes=1).bbox_head
    truth = InstanceData(bboxes=torch.tensor([[8.0, 8.0, 40.0, 30.0]]), labels=torch.tensor([0]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = [torch.randn(1, 18, side, side, dtype=torch.bfloat16) for side in (2, 4, 8)]
        losses = head.loss_by_feat(maps, [truth], [{}])
    assert seen == [(False, torch.float32)] * 3
    assert all(torch.isfinite(one) for values in losses.values() for one in values)
