"""The decoder that MeDSLIP is fine-tuned with: a U-Net over four maps and the image itself.

Source: the MeDSLIP release (2024-07-15), Sample_Finetuning_SIIMACR, I2_segmentation, models.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS
from torch import Tensor, nn

from medbench.errors import TrialError
from medbench_tasks.pyramid import MethodPyramid
from medbench_tasks.segmentation.heads import BinaryHead

STRIDES = (2, 4, 8, 16)
DROPOUT = 0.2


class ImageAndMaps(nn.Module):
    """A backbone whose first map is the image itself, at stride 1, before those of ``pyramid``.

    Raises `TrialError` where the pyramid is not of `STRIDES`.
    """

    def __init__(self, pyramid: MethodPyramid) -> None:
        super().__init__()
        if pyramid.strides != STRIDES:
            raise TrialError(
                f"decoder 'resunet' needs feature maps of strides {', '.join(map(str, STRIDES))}, and the encoder has"
                f" {', '.join(map(str, pyramid.encoder.strides))}",
                fix="use another recipe for this method",
            )
        self.pyramid = pyramid
        self.channels = (3, *pyramid.channels)
        self.strides = (1, *pyramid.strides)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> the images and the maps, finest first."""
        return (images, *self.pyramid(images))


def resunet_config(channels: Sequence[int], strides: Sequence[int], loss: str, width: int) -> ConfigDict:
    """The head over `ImageAndMaps`; ``width`` at full size is 64 as published, and doubles with every step down."""
    return ConfigDict(
        type="ResUnetHead",
        in_channels=tuple(channels),
        strides=tuple(strides),
        loss_decode={"type": loss},
        width=width,
    )


@MODELS.register_module()
class ResUnetHead(BinaryHead):
    """Twice conv 3x3-BN-ReLU on the deepest map; then per scale a 2x2 deconvolution, the skip, twice conv 3x3-BN-ReLU.

    The image is the last skip. Dropout of 0.2 and a 1x1 convolution give the logit. Weights start as torch draws them.
    """

    def __init__(self, in_channels: Sequence[int], strides: Sequence[int], width: int, **settings: Any) -> None:
        super().__init__(in_channels, strides, channels=width, **settings)
        deepest, skips = in_channels[-1], tuple(reversed(in_channels[:-1]))
        widths = [width << (len(skips) - 1 - step) for step in range(len(skips))]
        self.bridge = nn.Sequential(_conv(deepest, deepest), _conv(deepest, deepest))
        self.up_blocks = nn.ModuleList(
            _UpBlock(before, after, skip)
            for (before, after), skip in zip(pairwise([deepest, *widths]), skips, strict=True)
        )
        self.drop = nn.Dropout(DROPOUT)
        self.conv_seg = nn.Conv2d(width, 1, kernel_size=1)

    def decode(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The image and maps, finest first -> the bridge and the output of each up block."""
        *skips, deepest = self._transform_inputs(inputs)
        outputs = [self.bridge(deepest)]
        for block, skip in zip(self.up_blocks, reversed(skips), strict=True):
            outputs.append(block(outputs[-1], skip))
        return outputs

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """The image and maps, finest first -> logits (B, 1, H, W)."""
        return self.conv_seg(self.drop(self.decode(inputs)[-1]))


class _UpBlock(nn.Module):
    def __init__(self, before: int, after: int, skip: int) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(before, after, kernel_size=2, stride=2)
        self.conv_block_1 = _conv(after + skip, after)
        self.conv_block_2 = _conv(after, after)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        joined = torch.cat([self.upsample(features), skip], dim=1)
        return self.conv_block_2(self.conv_block_1(joined))


def _conv(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU())
