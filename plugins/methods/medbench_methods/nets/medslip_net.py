"""MeDSLIP's network: ResNet-50 to ``layer3``, an affine gate that parts findings from places, two query decoders.

Parameters have the names of the published state_dict, so that a checkpoint's keys are this module's own. Source: the
MeDSLIP release (2024-07-15), PreTrain_MeDSLIP, model; arXiv 2403.10635, section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from torch import nn
from torch.nn import functional

from medbench_methods.nets.layer3 import WIDTH, Layer3Net, resnet50_to_layer3
from medbench_methods.nets.query_decoder import QUERY_WIDTH, TEXT_WIDTH, Answer, QueryDecoder

if TYPE_CHECKING:
    from torch import Tensor

Gate = Literal["gated", "mask"]
"""What a stream is fed: ``gated`` is ``mask * x`` and ``(1 - mask) * x``; ``mask`` is the mask itself, for both streams."""


class MedslipNet(Layer3Net):
    """Image in, answers to text queries out. ``places`` builds the anatomy stream too, which only product maps need.

    The two decoders share their last norm, as published. The prototype projections ``cl_fc_*`` serve training alone and
    are left out.
    """

    def __init__(self, *, places: bool = True) -> None:
        super().__init__()
        norm = nn.LayerNorm(QUERY_WIDTH)
        self.has_places = places
        self.pathology_embedding_layer = nn.Linear(TEXT_WIDTH, QUERY_WIDTH)
        self.res_features = resnet50_to_layer3()
        self.res_l1_pathology = nn.Linear(WIDTH, WIDTH)
        self.res_l2_pathology = nn.Linear(WIDTH, QUERY_WIDTH)
        if places:
            self.res_l1_anatomy = nn.Linear(WIDTH, WIDTH)
            self.res_l2_anatomy = nn.Linear(WIDTH, QUERY_WIDTH)
        self.mask_generator = nn.Linear(WIDTH, WIDTH)
        if places:
            self.decoder_anatomy = QueryDecoder(norm)
        self.decoder_pathology = QueryDecoder(norm)
        if places:
            self.classifier_anatomy = nn.Linear(QUERY_WIDTH, 2)
        self.classifier_pathology = nn.Linear(QUERY_WIDTH, 2)

    @property
    def findings_head(self) -> nn.Linear:
        """The classifier of the pathology decoder's features: absent and present."""
        return self.classifier_pathology

    def pathology_stream(self, patches: Tensor, gate: Gate = "gated") -> Tensor:
        """(B, T, 1024) -> (B, T, 256). The mask is affine: no sigmoid bounds it."""
        mask = self.mask_generator(patches)
        stream = patches * mask if gate == "gated" else mask
        projected: Tensor = self.res_l2_pathology(functional.relu(self.res_l1_pathology(stream)))
        return projected

    def anatomy_stream(self, patches: Tensor, gate: Gate = "gated") -> Tensor:
        """(B, T, 1024) -> (B, T, 256), by the complement of the mask."""
        mask = self.mask_generator(patches)
        stream = patches * (1 - mask) if gate == "gated" else mask
        projected: Tensor = self.res_l2_anatomy(functional.relu(self.res_l1_anatomy(stream)))
        return projected

    def ask_findings(self, patches: Tensor, book: Tensor, gate: Gate = "gated") -> Answer:
        """Patches (B, T, 1024) and the texts' vectors (75, 768) -> the pathology decoder's answer."""
        answer: Answer = self.decoder_pathology(
            self.pathology_embedding_layer(book), self.pathology_stream(patches, gate)
        )
        return answer

    def ask_places(self, patches: Tensor, book: Tensor, gate: Gate = "gated") -> Answer:
        """Patches (B, T, 1024) and the texts' vectors (51, 768) -> the anatomy decoder's; both books share a projection."""
        answer: Answer = self.decoder_anatomy(self.pathology_embedding_layer(book), self.anatomy_stream(patches, gate))
        return answer
