"""Decoders from an encoder's feature maps to one logit a pixel, as mmseg decode heads.

Which one is chosen by the encoder's strides: a single map (a plain ViT) goes through `PupHead`, a pyramid through
`UnetHead`. Shapes and widths are those of the MGCA release.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmengine.config import ConfigDict
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from medbench.errors import TrialError

NORM = {"type": "BN", "requires_grad": True}
THRESHOLD = 0.5
WIDTH = 16
"""Of the published U-Net decoder at full size; every step down doubles it. PUP's is four times as wide."""


def head_config(channels: Sequence[int], strides: Sequence[int], loss: str, width: int = WIDTH) -> ConfigDict:
    """The head for maps of these ``channels`` and ``strides``, finest first, trained by the registered ``loss``.

    ``width`` is the decoder's, `WIDTH` as published.

    Raises `TrialError` where the strides do not double as a U-Net needs.
    """
    common = {"loss_decode": {"type": loss}, "in_channels": tuple(channels), "strides": tuple(strides), "width": width}
    if len(set(strides)) == 1:
        return ConfigDict(type="PupHead", **common)
    if any(fine * 2 != coarse for fine, coarse in pairwise(strides)) or not _is_power_of_two(strides[0]):
        raise TrialError(
            f"no segmentation head for feature maps of strides {', '.join(map(str, strides))}",
            fix="encode_pyramid must give one map, or maps whose strides are successive powers of two, finest first",
        )
    return ConfigDict(type="UnetHead", **common)


class BinaryHead(BaseDecodeHead):
    """Base of heads with one logit channel, trained against masks of values in 0..1, soft edges included."""

    def __init__(
        self, in_channels: Sequence[int], strides: Sequence[int], channels: int, loss_decode: Any, **settings: Any
    ) -> None:
        super().__init__(
            in_channels=list(in_channels),
            in_index=list(range(len(in_channels))),
            input_transform="multiple_select",
            channels=channels,
            num_classes=2,
            out_channels=1,
            threshold=THRESHOLD,
            dropout_ratio=0,
            norm_cfg=NORM,
            loss_decode=loss_decode,
            init_cfg=None,
            **settings,
        )
        self.strides = tuple(strides)
        self.conv_seg = nn.Conv2d(channels, 1, kernel_size=3, padding=1)

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list[Any]) -> dict[str, Tensor]:
        """Logits (B, 1, h, w) and samples with a ``gt_sem_seg`` of (1, H, W) -> the loss by its name."""
        truth = self._stack_batch_gt(batch_data_samples).float()
        logits = _resize(seg_logits.float(), truth.shape[2:])
        return {self.loss_decode.loss_name: self.loss_decode(logits, truth)}


@MODELS.register_module()
class UnetHead(BinaryHead):
    """The U-Net decoder: nearest x2, concatenate the map of that stride where there is one, twice conv 3x3-BN-ReLU.

    Maps are (B, C_i, H / stride_i, W / stride_i). Widths halve down to ``width``. With strides 2..32 this is the released
    decoder (256, 128, 64, 32, 16; no skip at full size); with 4..32 the step to stride 2 has no skip either.
    """

    def __init__(self, in_channels: Sequence[int], strides: Sequence[int], width: int = WIDTH, **settings: Any) -> None:
        doublings = int(math.log2(strides[-1]))
        widths = [width << (doublings - 1 - step) for step in range(doublings)]
        super().__init__(in_channels, strides, channels=widths[-1], **settings)
        channels_at = dict(zip(strides, in_channels, strict=True))
        self.blocks = nn.ModuleList()
        before, stride = in_channels[-1], strides[-1]
        for out in widths:
            stride //= 2
            self.blocks.append(_UpBlock(before + channels_at.get(stride, 0), out))
            before = out

    def draw_as_published(self) -> None:
        """Draw the weights anew as segmentation_models_pytorch does, whose U-Net is the published one."""
        for part in self.blocks.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_uniform_(part.weight, mode="fan_in", nonlinearity="relu")
            elif isinstance(part, nn.BatchNorm2d):
                nn.init.ones_(part.weight)
                nn.init.zeros_(part.bias)
        nn.init.xavier_uniform_(self.conv_seg.weight)
        nn.init.zeros_(self.conv_seg.bias)

    def decode(self, inputs: Sequence[Tensor]) -> Tensor:
        """Maps, finest first -> (B, channels, H, W) at full size."""
        maps = dict(zip(self.strides, self._transform_inputs(inputs), strict=True))
        stride = self.strides[-1]
        features = maps[stride]
        for block in self.blocks:
            stride //= 2
            features = block(features, maps.get(stride))
        return features

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Maps, finest first -> logits (B, 1, H, W)."""
        return self.conv_seg(self.decode(inputs))


@MODELS.register_module()
class PupHead(BinaryHead):
    """Progressive upsampling (SETR-PUP) of a single map: Linear, then conv 3x3-BN-ReLU-bilinear x2 until full size.

    Widths halve down to four times ``width``: 512, 256, 128, 64 for stride 16 as published. A stride that is no power of
    two is overshot, and the logits are resized to the mask. Of several maps of one stride the last is used.
    """

    def __init__(self, in_channels: Sequence[int], strides: Sequence[int], width: int = WIDTH, **settings: Any) -> None:
        doublings = max(1, math.ceil(math.log2(strides[-1])))
        widths = [4 * width << (doublings - 1 - step) for step in range(doublings)]
        super().__init__(in_channels, strides, channels=widths[-1], **settings)
        self.linear = nn.Linear(in_channels[-1], in_channels[-1])
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, kernel_size=3, padding=1),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            )
            for before, after in pairwise([in_channels[-1], *widths])
        )

    def project(self, inputs: Sequence[Tensor]) -> Tensor:
        """The last map (B, C, h, w) through the linear layer, position by position."""
        tokens = self._transform_inputs(inputs)[-1].permute(0, 2, 3, 1)
        return self.linear(tokens).permute(0, 3, 1, 2).contiguous()

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Maps -> logits (B, 1, 2^n h, 2^n w)."""
        features = self.project(inputs)
        for stage in self.stages:
            features = stage(features)
        return self.conv_seg(features)


class _UpBlock(nn.Module):
    """Nearest x2, concatenation with the skip, two convolutions."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv1 = ConvModule(before, after, 3, padding=1, norm_cfg=NORM)
        self.conv2 = ConvModule(after, after, 3, padding=1, norm_cfg=NORM)

    def forward(self, features: Tensor, skip: Tensor | None) -> Tensor:
        features = functional.interpolate(features, scale_factor=2, mode="nearest")
        if skip is not None:
            features = torch.cat([features, skip], dim=1)
        return self.conv2(self.conv1(features))


def _resize(logits: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(logits.shape[2:]) == tuple(size):
        return logits
    return functional.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)


def _is_power_of_two(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0
