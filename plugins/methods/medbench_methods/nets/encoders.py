"""A trunk dressed as capabilities: global features and maps for dense prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from medbench.capabilities import Preprocess
from medbench_methods.normalisation import HALF

if TYPE_CHECKING:
    from torch import Tensor

FAMILY_PREPROCESS = Preprocess(resize=256, mode="pad", crop=224, mean=HALF, std=HALF)


class VisionEncoder(nn.Module):
    """`ImageEncoder` and `DenseImageEncoder` over a trunk; ``trunk`` may be switched to train mode like any module."""

    def __init__(self, trunk: Any, preprocess: Preprocess) -> None:
        super().__init__()
        self.trunk = trunk
        self.preprocess = preprocess
        self.embed_dim: int = trunk.embed_dim
        self.channels: tuple[int, ...] = trunk.channels
        self.strides: tuple[int, ...] = trunk.strides

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, embed_dim): the trunk's global feature, before any projection."""
        features: Tensor = self.trunk.features(images)[0]
        return features

    def encode_pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> maps (B, channels[i], H / strides[i], W / strides[i])."""
        maps: tuple[Tensor, ...] = self.trunk.pyramid(images)
        return maps
