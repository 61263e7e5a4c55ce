"""Projection heads of two linear maps with BatchNorm, into the space of images and texts: those of the MGCA family."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

HIDDEN_DIM = 2048
JOINT_DIM = 128


class GlobalProjection(nn.Module):
    """(B, C) -> (B, 128): Linear, BatchNorm, ReLU, Linear, BatchNorm without affine (the MGCA release)."""

    def __init__(self, in_dim: int) -> None:
        super().__init__()
        self.head = normed_mlp(in_dim, HIDDEN_DIM, JOINT_DIM)

    def forward(self, features: Tensor) -> Tensor:
        projected: Tensor = self.head(features)
        return projected


class LocalProjection(nn.Module):
    """(B, T, C) -> (B, T, 128): the same with convolutions of width 1 over the tokens."""

    def __init__(self, in_dim: int) -> None:
        super().__init__()
        self.head = nn.Sequential(
            nn.Conv1d(in_dim, HIDDEN_DIM, kernel_size=1),
            nn.BatchNorm1d(HIDDEN_DIM),
            nn.ReLU(),
            nn.Conv1d(HIDDEN_DIM, JOINT_DIM, kernel_size=1),
            nn.BatchNorm1d(JOINT_DIM, affine=False),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        projected: Tensor = self.head(tokens.transpose(1, 2))
        return projected.transpose(1, 2)


def normed_mlp(inside: int, hidden: int, outside: int, *, bias: bool = True) -> nn.Sequential:
    """(B, inside) -> (B, outside): Linear, BatchNorm, ReLU, Linear, BatchNorm without affine, by name ``0`` to ``4``."""
    return nn.Sequential(
        nn.Linear(inside, hidden, bias=bias),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, outside, bias=bias),
        nn.BatchNorm1d(outside, affine=False),
    )


def normed_mlps(inside: int, hidden: int, outside: int) -> tuple[Callable[[], nn.Sequential], ...]:
    """What makes `normed_mlp` with biases and without, for files of which it is not known which they hold."""
    return tuple(partial(normed_mlp, inside, hidden, outside, bias=bias) for bias in (True, False))
