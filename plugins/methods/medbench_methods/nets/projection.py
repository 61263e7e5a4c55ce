"""The projection heads of the MGCA family: two linear maps with BatchNorm, into the space of images and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

HIDDEN_DIM = 2048
JOINT_DIM = 128


class GlobalProjection(nn.Module):
    """(B, C) -> (B, 128): Linear, BatchNorm, ReLU, Linear, BatchNorm without affine (the MGCA release)."""

    def __init__(self, in_dim: int) -> None:
        super().__init__()
        self.head = nn.Sequential(
            nn.Linear(in_dim, HIDDEN_DIM),
            nn.BatchNorm1d(HIDDEN_DIM),
            nn.ReLU(),
            nn.Linear(HIDDEN_DIM, JOINT_DIM),
            nn.BatchNorm1d(JOINT_DIM, affine=False),
        )

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
