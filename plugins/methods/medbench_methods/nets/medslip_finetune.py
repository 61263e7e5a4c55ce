"""What MeDSLIP is fine-tuned as: ResNet-50 whose last stage starts random, with or without the pathology stream inside.

Source: the MeDSLIP release (2024-07-15), Sample_Finetuning_SIIMACR, I1_classification, models (``use_base`` True or not).
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from medbench_methods.nets.medslip_net import QUERY_WIDTH, WIDTH, resnet50_layer4

if TYPE_CHECKING:
    from torch import Tensor

    from medbench.capabilities import Preprocess
    from medbench_methods.nets.medslip_net import MedslipNet


class FineTunedTrunk(nn.Module):
    """`ImageEncoder` of 2048 dimensions: ``layer3`` of ``net`` (copied), ``layer4`` drawn from ``seed``, global average.

    ``masked`` lets each ``layer3`` patch pass the mask and the pathology projection down to 256 dimensions and a new linear
    layer back to 1024 first. The global generators stay untouched.
    """

    embed_dim = 2048

    def __init__(self, net: MedslipNet, preprocess: Preprocess, *, seed: int, masked: bool = False) -> None:
        super().__init__()
        self.preprocess = preprocess
        self.masked = masked
        self.res_features = _trainable(net.res_features)
        if masked:
            self.mask_generator = _trainable(net.mask_generator)
            self.res_l1_pathology = _trainable(net.res_l1_pathology)
            self.res_l2_pathology = _trainable(net.res_l2_pathology)
        device = net.mask_generator.weight.device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if masked:
                self.back = nn.Linear(QUERY_WIDTH, WIDTH).to(device)
            self.layer4 = resnet50_layer4()
            _draw_as_torchvision(self.layer4)
        self.layer4.to(device)

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 2048)."""
        features = self.res_features(images)
        if self.masked:
            features = self.through_stream(features)
        pooled: Tensor = self.layer4(features).mean(dim=(2, 3))
        return pooled

    def through_stream(self, features: Tensor) -> Tensor:
        """(B, 1024, h, w) -> the same shape: mask, pathology projection to 256, ``back`` to 1024, patch by patch."""
        patches = features.permute(0, 2, 3, 1)
        gated = self.mask_generator(patches) * patches
        stream = self.res_l2_pathology(functional.relu(self.res_l1_pathology(gated)))
        back: Tensor = self.back(stream)
        return back.permute(0, 3, 1, 2)


def _trainable(module: nn.Module) -> nn.Module:
    return deepcopy(module).requires_grad_()


def _draw_as_torchvision(layer: nn.Module) -> None:
    """As torchvision's ResNet draws its weights: He-normal by fan-out, norms identities."""
    for part in layer.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)
