"""What MeDSLIP is fine-tuned as: ResNet-50 whose last stage starts random, with or without the pathology stream inside.

Source: the MeDSLIP release (2024-07-15), Sample_Finetuning_SIIMACR, I1_classification, models (``use_base`` True or not).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional

from medbench_methods.nets.layer3 import WIDTH, Layer4Trunk, drawn_from, trainable
from medbench_methods.nets.query_decoder import QUERY_WIDTH

if TYPE_CHECKING:
    from torch import Tensor

    from medbench.capabilities import Preprocess
    from medbench_methods.nets.medslip_net import MedslipNet


class FineTunedTrunk(Layer4Trunk):
    """`ImageEncoder` of 2048 dimensions: ``layer3`` of ``net`` (copied), ``layer4`` drawn from ``seed``, global average.

    ``masked`` lets each ``layer3`` patch pass the mask and the pathology projection down to 256 dimensions and a new linear
    layer back to 1024 first. The global generators stay untouched.
    """

    def __init__(self, net: MedslipNet, preprocess: Preprocess, *, seed: int, masked: bool = False) -> None:
        with drawn_from(seed):
            back = nn.Linear(QUERY_WIDTH, WIDTH) if masked else None
            super().__init__(net.res_features, preprocess)
        self.masked = masked
        if back is not None:
            self.mask_generator = trainable(net.mask_generator)
            self.res_l1_pathology = trainable(net.res_l1_pathology)
            self.res_l2_pathology = trainable(net.res_l2_pathology)
            self.back = back.to(net.mask_generator.weight.device)

    def between(self, features: Tensor) -> Tensor:
        """(B, 1024, h, w) -> the same shape: through the pathology stream where the trunk is ``masked``."""
        return self.through_stream(features) if self.masked else features

    def through_stream(self, features: Tensor) -> Tensor:
        """(B, 1024, h, w) -> the same shape: mask, pathology projection to 256, ``back`` to 1024, patch by patch."""
        patches = features.permute(0, 2, 3, 1)
        gated = self.mask_generator(patches) * patches
        stream = self.res_l2_pathology(functional.relu(self.res_l1_pathology(gated)))
        back: Tensor = self.back(stream)
        return back.permute(0, 3, 1, 2)
