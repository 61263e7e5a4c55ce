"""MedST's ViT: every block has a second feed-forward expert for lateral views (the Med-ST release)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from timm.layers import Mlp
from torch import nn

from medbench_methods.nets.trunks import ViTTrunk

if TYPE_CHECKING:
    from torch import Tensor

View = Literal["frontal", "lateral"]


class LateralViTTrunk(ViTTrunk):
    """ViT-B/16 whose blocks own ``mlp_l`` and ``norm2_l`` beside ``mlp`` and ``norm2``; all else is shared by the views."""

    def __init__(self) -> None:
        super().__init__()
        for block in self.net.blocks:
            block.mlp_l = Mlp(768, 3072)
            block.norm2_l = nn.LayerNorm(768, eps=1e-6)

    def view_features(self, images: Tensor, view: View) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) of one view -> CLS (B, 768) and patch tokens (B, T, 768)."""
        if view == "frontal":
            return self.features(images)
        tokens = self.embed(images)
        for block in self.net.blocks:
            tokens = tokens + block.attn(block.norm1(tokens))
            tokens = tokens + _lateral(block, tokens)
        tokens = self.net.norm(tokens)
        return tokens[:, 0], tokens[:, 1:]

    def pair_features(self, frontal: Tensor, lateral: Tensor, has_lateral: Tensor) -> tuple[Tensor, Tensor]:
        """Two (B, 3, H, W) views and a (B,) flag -> CLS (B, 768) and the tokens of both views (B, 2 T, 768).

        Where the flag is false no token sees a lateral key, so CLS equals the frontal one's; the lateral tokens
        themselves are still computed, from whatever ``lateral`` holds there (zeros in the published code).
        """
        tokens = torch.cat([self.embed(frontal), self.embed(lateral)[:, 1:]], dim=1)
        first_lateral = frontal.shape[-2] // 16 * (frontal.shape[-1] // 16) + 1
        mask = _key_mask(has_lateral.to(tokens.device), tokens, first_lateral)
        for block in self.net.blocks:
            tokens = tokens + block.attn(block.norm1(tokens), attn_mask=mask)
            front, side = tokens[:, :first_lateral], tokens[:, first_lateral:]
            tokens = tokens + torch.cat([block.mlp(block.norm2(front)), _lateral(block, side)], dim=1)
        tokens = self.net.norm(tokens)
        return tokens[:, 0], tokens[:, 1:]


def make_lateral_trunk() -> LateralViTTrunk:
    """The trunk on the meta device, without weights."""
    with torch.device("meta"):
        return LateralViTTrunk()


def _lateral(block: Any, tokens: Tensor) -> Tensor:
    out: Tensor = block.mlp_l(block.norm2_l(tokens))
    return out


def _key_mask(has_lateral: Tensor, tokens: Tensor, first_lateral: int) -> Tensor:
    """(B, 1, 1, N) added to attention scores: -inf at the lateral keys of samples without a lateral view."""
    mask = tokens.new_zeros(tokens.shape[0], 1, 1, tokens.shape[1])
    mask[~has_lateral.bool(), :, :, first_lateral:] = float("-inf")
    return mask
