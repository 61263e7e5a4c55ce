"""The known shapes as parts of a published method: a trunk, a trunk with a projection, a BERT with a pooling rule.

All are made on the meta device, without weights. What a method's module needs to say so can be had from here.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

from medbench_methods.nets.bert import BertTower, Reading, States, cls_token, mean_of_tokens, on_meta, pooler_output
from medbench_methods.nets.dual import DualEncoder
from medbench_methods.nets.encoders import VisionEncoder
from medbench_methods.nets.published import Part, Published
from medbench_methods.nets.swin import SwinTrunk
from medbench_methods.nets.trunks import ResNetTrunk, ViTTrunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from medbench.capabilities import Preprocess
    from medbench.layouts import Layout
    from medbench_methods.nets.trunks import Trunk

__all__ = (
    "Part",
    "Published",
    "Reading",
    "ResNetTrunk",
    "States",
    "SwinTrunk",
    "ViTTrunk",
    "cls_token",
    "dual_part",
    "image_part",
    "mean_of_tokens",
    "mlp",
    "pooler_output",
    "text_part",
)


def image_part(trunk: Callable[[], Trunk], preprocess: Preprocess, *layouts: Layout) -> Part:
    """Images alone: the layouts name a trunk's tensors, ``trunk.net.**``."""

    def make() -> nn.Module:
        with torch.device("meta"):
            return VisionEncoder(trunk(), preprocess)

    return Part(make=make, layouts=layouts)


def dual_part(
    trunk: Callable[[], Trunk],
    preprocess: Preprocess,
    projection: Callable[[], nn.Module],
    joint_dim: int,
    *layouts: Layout,
) -> Part:
    """Images that meet texts in a space of ``joint_dim``: the layouts name ``trunk.net.**`` and ``projection.**``."""

    def make() -> nn.Module:
        with torch.device("meta"):
            return DualEncoder(trunk(), preprocess, projection(), joint_dim)

    return Part(make=make, layouts=layouts)


def text_part(
    reading: Reading, *layouts: Layout, projection: Callable[[], nn.Module] = nn.Identity, pooler: bool = False
) -> Part:
    """Texts by BERT-base: the layouts name ``bert.**``, and ``projection.**`` where it has tensors."""
    return Part(make=lambda: on_meta(lambda: BertTower(reading, projection(), pooler=pooler)), layouts=layouts)


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers of these widths with a ReLU between each two: ``0``, ``2``, ... by name."""
    layers: list[nn.Module] = []
    for inside, outside in pairwise(widths):
        layers += [nn.ReLU()] * bool(layers) + [nn.Linear(inside, outside)]
    return nn.Sequential(*layers)
