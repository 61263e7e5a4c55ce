"""Weights drawn at random by name and shape, fit for use as a frozen encoder."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_RESIDUAL_SCALE = 0.25
_LINEAR_STD = 0.02


def draw_weights(template: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """A value for each tensor of ``template`` (whose shapes and types alone are read), from a generator of its own.

    Convolutions are He-normal over their inputs, other matrices normal with standard deviation 0.02, norms identities
    with running statistics (0, 1). The last norm of a ResNet block is scaled by 0.25: running statistics of untrained
    weights do not hold features in range, and sixteen residual branches would add up otherwise.
    """
    generator = torch.Generator().manual_seed(seed)
    return {name: _draw(name, tensor, generator) for name, tensor in template.items()}


def _draw(name: str, like: Tensor, generator: torch.Generator) -> Tensor:
    shape = tuple(like.shape)
    if not like.is_floating_point():
        is_index = name.endswith("position_ids")
        return torch.arange(shape[-1]).reshape(shape) if is_index else torch.zeros(shape, dtype=like.dtype)
    if len(shape) < 2:
        return torch.full(shape, _constant(name))
    is_convolution = len(shape) == 4 and "patch_embed" not in name
    std = math.sqrt(2 / math.prod(shape[1:])) if is_convolution else _LINEAR_STD
    return torch.empty(shape).normal_(0, std, generator=generator)


def _constant(name: str) -> float:
    if name.endswith("running_var"):
        return 1.0
    if name.endswith(".bn3.weight"):
        return _RESIDUAL_SCALE
    return 1.0 if name.endswith("weight") else 0.0
