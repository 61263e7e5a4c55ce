"""ResNet-50 to ``layer3``, numbered as MedKLIP and MeDSLIP publish it, and what their fine-tuning puts on top."""

from __future__ import annotations

from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING

import timm
import torch
from torch import nn

from medbench.one_pass import once_a_batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from medbench.capabilities import Preprocess

STRIDE = 16
WIDTH = 1024
CHANNELS = (64, 256, 512, 1024)
STRIDES = (2, 4, 8, 16)


class Layer3Net(nn.Module):
    """A network over ``res_features``, which its own constructor makes (`resnet50_to_layer3`)."""

    res_features: nn.Sequential

    @once_a_batch
    def pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> the stem after its ReLU, then ``layer1`` to ``layer3``: `CHANNELS` at `STRIDES`."""
        conv, norm, relu, pool, *layers = self.res_features
        maps = [relu(norm(conv(images)))]
        features = pool(maps[0])
        for layer in layers:
            features = layer(features)
            maps.append(features)
        return tuple(maps)

    def patches(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, T, 1024): ``layer3``, row-major; T = 196 at 224."""
        return self.pyramid(images)[-1].flatten(2).transpose(1, 2)


class Layer4Trunk(nn.Module):
    """`ImageEncoder` of 2048 dimensions: ``features`` (copied), a new ``layer4``, global average.

    ``layer4`` is drawn from torch's generator (`drawn_from`), as torchvision's ResNet draws its weights.
    """

    embed_dim = 2048

    def __init__(self, features: nn.Module, preprocess: Preprocess) -> None:
        super().__init__()
        self.preprocess = preprocess
        self.res_features = trainable(features)
        self.layer4 = resnet50_layer4()
        _draw_as_torchvision(self.layer4)
        self.layer4.to(next(features.parameters()).device)

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 2048)."""
        pooled: Tensor = self.layer4(self.between(self.res_features(images))).mean(dim=(2, 3))
        return pooled

    def between(self, features: Tensor) -> Tensor:
        """(B, 1024, h, w) of ``layer3`` -> what ``layer4`` is fed, of the same shape."""
        return features


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """While it lasts torch's generator on the CPU draws from ``seed``; it is put back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def resnet50_to_layer3() -> nn.Sequential:
    """ResNet-50 without ``layer4`` and head, numbered as published: 0 conv1, 1 bn1, 2 relu, 3 maxpool, 4 to 6 layers."""
    return nn.Sequential(*list(timm.create_model("resnet50", pretrained=False, num_classes=0).children())[:7])


def resnet50_layer4() -> nn.Module:
    """ResNet-50's last stage, 1024 channels to 2048 at half the size."""
    layer: nn.Module = timm.create_model("resnet50", pretrained=False, num_classes=0).layer4
    return layer


def trainable(module: nn.Module) -> nn.Module:
    """A copy whose parameters take gradients."""
    return deepcopy(module).requires_grad_()


def _draw_as_torchvision(layer: nn.Module) -> None:
    """He-normal by fan-out, norms identities."""
    for part in layer.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)
