"""Swin-Tiny as an image trunk, on timm's modules, and the names that transformers gave its tensors before version 5."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import timm
import torch
from timm.models.swin_transformer import get_relative_position_index, window_partition, window_reverse
from torch import nn
from torch.nn.functional import pad

from medbench.one_pass import once_a_batch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from medbench.layouts import Keys, Shape

_BLOCK = "layers.*.blocks.*"
_STORED_BLOCK = f"encoder.{_BLOCK}"
TRANSFORMERS_4: Mapping[str, str | Keys] = MappingProxyType(
    {
        "patch_embed.proj.**": "embeddings.patch_embeddings.projection.**",
        "patch_embed.norm.**": "embeddings.norm.**",
        f"{_BLOCK}.norm1.**": f"{_STORED_BLOCK}.layernorm_before.**",
        f"{_BLOCK}.norm2.**": f"{_STORED_BLOCK}.layernorm_after.**",
        f"{_BLOCK}.attn.qkv.**": tuple(f"{_STORED_BLOCK}.attention.self.{one}.**" for one in ("query", "key", "value")),
        f"{_BLOCK}.attn.relative_position_bias_table": f"{_STORED_BLOCK}.attention.self.relative_position_bias_table",
        f"{_BLOCK}.attn.proj.**": f"{_STORED_BLOCK}.attention.output.dense.**",
        f"{_BLOCK}.mlp.fc1.**": f"{_STORED_BLOCK}.intermediate.dense.**",
        f"{_BLOCK}.mlp.fc2.**": f"{_STORED_BLOCK}.output.dense.**",
        **{f"layers.{stage}.downsample.**": f"encoder.layers.{stage - 1}.downsample.**" for stage in (1, 2, 3)},
        "norm.**": "layernorm.**",
    }
)
"""timm's names and those of transformers 4, whose stages end with the downsampling that timm's begin with."""
WINDOW = 7
DEPTHS = (2, 2, 6, 2)


def stored_under(prefix: str) -> dict[str, str | Keys]:
    """`TRANSFORMERS_4` as a layout's renames of a `SwinTrunk`, for files with their tensors under ``prefix``."""
    return {
        f"trunk.net.{ours}": prefix + theirs if isinstance(theirs, str) else tuple(prefix + one for one in theirs)
        for ours, theirs in TRANSFORMERS_4.items()
    }


def positions_under(prefix: str) -> dict[str, Shape]:
    """Keys and shapes of the numbers of a window's places, which transformers 4 kept among the weights: spare."""
    blocks = [f"{prefix}encoder.layers.{stage}.blocks.{block}" for stage in range(4) for block in range(DEPTHS[stage])]
    return {f"{block}.attention.self.relative_position_index": (WINDOW**2, WINDOW**2) for block in blocks}


class SwinTrunk(nn.Module):
    """Swin-Tiny with patches of 4 and windows of 7, without its classifier; the state_dict has timm's names under ``net.``.

    From 224 pixels on it works as transformers' does at any size in multiples of 4: a map that the windows do not divide is
    padded after its LayerNorm, right and below, and windows are shifted wherever the map is larger than one. (timm's own pass
    pads after the shift, and its last stage never shifts.) So are maps smaller than a window, our choice.
    """

    embed_dim = 768
    local_dim = 768
    channels = (96, 192, 384, 768)
    strides = (4, 8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        self.net = timm.create_model(
            "swin_tiny_patch4_window7_224",
            pretrained=False,
            num_classes=0,
            always_partition=True,  # keeps the shift of the last stage too, for maps larger than a window
            dynamic_img_size=True,
        )
        with torch.device("cpu"):  # outside the state_dict: it must have its values on the meta device too
            places = get_relative_position_index(WINDOW, WINDOW)
        for stage in self.net.layers:
            for block in stage.blocks:
                block.attn.relative_position_index = places.clone()

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> the mean (B, 768) of the tokens after the final LayerNorm, and these, (B, T, 768); T = 49 at 224."""
        tokens = self.pyramid(images)[-1].flatten(2).transpose(1, 2)
        return tokens.mean(dim=1), tokens

    @once_a_batch
    def pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> the map of each stage; the last is that of the tokens, after the final LayerNorm (our choice)."""
        tokens: Tensor = self.net.patch_embed(images)
        maps = []
        for stage in self.net.layers:
            tokens = stage.downsample(tokens)
            for block in stage.blocks:
                tokens = tokens + block.drop_path1(_attended(block, block.norm1(tokens)))
                tokens = tokens + block.drop_path2(block.mlp(block.norm2(tokens)))
            maps.append(tokens)
        maps[-1] = self.net.norm(tokens)
        return tuple(one.permute(0, 3, 1, 2) for one in maps)


def _attended(block: Any, tokens: Tensor) -> Tensor:
    """(B, H, W, C) -> (B, H, W, C): attention within windows, shifted where the block's are and the map is larger than one."""
    height, width = tokens.shape[1:3]
    tokens = pad(tokens, (0, 0, 0, -width % WINDOW, 0, -height % WINDOW))
    full_height, full_width, channels = tokens.shape[1:]
    down, right = block.shift_size if min(height, width) > WINDOW else (0, 0)
    mask = None
    if down or right:
        tokens = torch.roll(tokens, (-down, -right), dims=(1, 2))
        mask = block.get_attn_mask(tokens)
    windows = window_partition(tokens, block.window_size).flatten(1, 2)
    windows = block.attn(windows, mask=mask).reshape(-1, WINDOW, WINDOW, channels)
    merged: Tensor = window_reverse(windows, block.window_size, full_height, full_width)
    return torch.roll(merged, (down, right), dims=(1, 2))[:, :height, :width]
