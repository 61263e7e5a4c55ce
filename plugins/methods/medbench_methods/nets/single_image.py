"""BioViL-T's image tower for an image that has no earlier one: a ResNet-50, half of its features, and a learnt constant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from medbench_methods.nets.trunks import ResNetTrunk

if TYPE_CHECKING:
    from torch import Tensor

HALF = 256


class SingleImageTrunk(ResNetTrunk):
    """A `ResNetTrunk` whose global feature is ``layer4``'s mean by a convolution of width 1, and what stands for the absent.

    An earlier image would take part through a transformer, which hi-ml-multimodal passes by without one: the other half of
    the feature is then the same for all images.
    """

    embed_dim = 2 * HALF

    def __init__(self) -> None:
        super().__init__()
        self.backbone_to_vit = nn.Conv2d(ResNetTrunk.embed_dim, HALF, kernel_size=1, bias=False)
        self.missing_previous_emb = nn.Parameter(torch.empty(1, HALF, 1, 1))

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> the feature of an image alone (B, 512) and ``layer3`` tokens (B, T, 1024)."""
        pooled, tokens = super().features(images)
        seen = self.backbone_to_vit(pooled[:, :, None, None])
        return torch.cat([seen, self.missing_previous_emb.expand_as(seen)], dim=1).flatten(1), tokens
