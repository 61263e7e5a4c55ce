"""The two image trunks that most methods build on, as timm builds them, with one face to the rest of the package.

A trunk gives a global feature, local tokens and a pyramid. It is made on the meta device, without weights: whoever
builds one fills it with `medbench_methods.nets.loading.fill`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import timm
import torch
from torch import nn
from torch.nn.functional import interpolate

from medbench.one_pass import once_a_batch

if TYPE_CHECKING:
    from torch import Tensor

VariantName = Literal["resnet50", "vit-b16"]
Pool = Literal["cls", "mean", "mean-before-norm"]


class Trunk(Protocol):
    """What an encoder needs of its trunk.

    ``embed_dim`` and ``local_dim`` are the widths of the global feature and of a local token; ``channels`` and
    ``strides`` belong to the maps of `pyramid`.
    """

    embed_dim: int
    local_dim: int
    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> global (B, embed_dim) and local tokens (B, T, local_dim), row-major."""
        ...

    def pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> maps (B, channels[i], H / strides[i], W / strides[i])."""
        ...


class ResNetTrunk(nn.Module):
    """ResNet-50 without its classifier; the state_dict has torchvision's names under ``net.``.

    ``upsample`` is the side to which `features` first scales its input bilinearly with aligned corners (299 of GLoRIA and
    MGCA); `pyramid` always works at the input's own size, as detection and segmentation do. Local tokens are ``layer3``.
    """

    embed_dim = 2048
    local_dim = 1024
    channels = (64, 256, 512, 1024, 2048)
    strides = (2, 4, 8, 16, 32)

    def __init__(self, *, upsample: int | None = None) -> None:
        super().__init__()
        self.net = timm.create_model("resnet50", pretrained=False, num_classes=0)
        self.upsample = upsample

    @once_a_batch
    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> average-pooled ``layer4`` (B, 2048) and ``layer3`` tokens (B, T, 1024); T = 361 at 299."""
        if self.upsample is not None:
            images = interpolate(images, size=(self.upsample, self.upsample), mode="bilinear", align_corners=True)
        *_, layer3, layer4 = self.pyramid(images)
        return layer4.mean(dim=(2, 3)), layer3.flatten(2).transpose(1, 2)

    @once_a_batch
    def pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> the stem after its ReLU, then ``layer1`` to ``layer4``."""
        net = self.net
        stem = net.act1(net.bn1(net.conv1(images)))
        layer1 = net.layer1(net.maxpool(stem))
        layer2 = net.layer2(layer1)
        layer3 = net.layer3(layer2)
        return stem, layer1, layer2, layer3, net.layer4(layer3)


class ViTTrunk(nn.Module):
    """A plain ViT without its classifier, ViT-B/16 by default; the state_dict has timm's names under ``net.``.

    ``architecture`` and ``options`` are timm's, for another width, depth, activation or size of the position table. Inputs of
    other sizes than the table's, in multiples of a patch, get resampled position embeddings. ``pool`` makes the global
    feature: ``cls`` takes that token, ``mean`` the mean of the patch tokens after the final LayerNorm, and ``mean-before-norm``
    that of the patch tokens before it, which are the local tokens then.
    """

    def __init__(
        self, architecture: str = "vit_base_patch16_224", *, pool: Pool = "cls", **options: int | float | bool | str
    ) -> None:
        super().__init__()
        self.net = timm.create_model(architecture, pretrained=False, num_classes=0, dynamic_img_size=True, **options)
        self.pool = pool
        self.embed_dim: int = self.net.embed_dim
        self.local_dim = self.embed_dim
        self.channels = (self.embed_dim,)
        self.strides: tuple[int] = (self.net.patch_embed.patch_size[0],)

    def embed(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> the first block's input (B, P + T, C): CLS, registers if any, patches, with their positions."""
        embedded: Tensor = self.net.norm_pre(self.net._pos_embed(self.net.patch_embed(images)))
        return embedded

    @once_a_batch
    def tokens(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> all tokens (B, P + T, C), after the final LayerNorm unless ``pool`` is before it; P = 1 for CLS."""
        tokens: Tensor = self.net.blocks(self.embed(images))
        return tokens if self.pool == "mean-before-norm" else self.net.norm(tokens)

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> the global feature (B, C) and patch tokens (B, T, C); for ViT-B/16 C = 768, and T = 196 at 224."""
        tokens = self.tokens(images)
        patches = tokens[:, self.net.num_prefix_tokens :]
        return tokens[:, 0] if self.pool == "cls" else patches.mean(dim=1), patches

    def pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> one map of the patch tokens, (B, C, H / P, W / P) for patches of P pixels."""
        patches = self.features(images)[1]
        height, width = (side // self.strides[0] for side in images.shape[-2:])
        return (patches.transpose(1, 2).reshape(-1, self.embed_dim, height, width),)


def make_trunk(variant: str, *, upsample: int | None = None) -> ResNetTrunk | ViTTrunk:
    """The trunk of that variant on the meta device; ``upsample`` concerns ResNet alone."""
    with torch.device("meta"):
        return ResNetTrunk(upsample=upsample) if variant == "resnet50" else ViTTrunk()
