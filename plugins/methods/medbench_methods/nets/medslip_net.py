"""MeDSLIP's network: ResNet-50 to ``layer3``, an affine gate that parts findings from places, two query decoders.

Parameters have the names of the published state_dict, so that a checkpoint's keys are this module's own. Source: the
MeDSLIP release (2024-07-15), PreTrain_MeDSLIP, model and transformer; arXiv 2403.10635, section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import timm
import torch
from torch import nn
from torch.nn import functional

from medbench.one_pass import once_a_batch

if TYPE_CHECKING:
    from torch import Tensor

STRIDE = 16
WIDTH = 1024
QUERY_WIDTH = 256
TEXT_WIDTH = 768
LAYERS = 4
HEADS = 4
CHANNELS = (64, 256, 512, 1024)
STRIDES = (2, 4, 8, 16)

Gate = Literal["gated", "mask"]
"""What a stream is fed: ``gated`` is ``mask * x`` and ``(1 - mask) * x``; ``mask`` is the mask itself, for both streams."""


class Answer(NamedTuple):
    """What a decoder says: ``features`` (B, Q, 256) and, layer by layer, ``attention`` (B, 4, Q, T) over T patches."""

    features: Tensor
    attention: Tensor


class QueryLayer(nn.TransformerDecoderLayer):
    """A pre-norm decoder layer that also gives its cross-attention, averaged over heads."""

    def __init__(self) -> None:
        super().__init__(QUERY_WIDTH, HEADS, dim_feedforward=1024, dropout=0.1, batch_first=True, norm_first=True)

    def attend(self, queries: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Queries (B, Q, 256) over memory (B, T, 256) -> new queries and weights (B, Q, T) that sum to 1 over T."""
        queries = queries + self._sa_block(self.norm1(queries), None, None)
        seen, weights = self.multihead_attn(self.norm2(queries), memory, memory, average_attn_weights=True)
        queries = queries + self.dropout2(seen)
        return queries + self._ff_block(self.norm3(queries)), weights


class QueryDecoder(nn.Module):
    """Four `QueryLayer` and a final norm. All queries go together: they attend to each other."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.layers = nn.ModuleList(QueryLayer() for _ in range(LAYERS))
        self.norm = norm

    def forward(self, queries: Tensor, memory: Tensor) -> Answer:
        """Queries (Q, 256), the same for every image, over memory (B, T, 256)."""
        state = queries.expand(len(memory), -1, -1)
        attention = []
        for layer in self.layers:
            state, weights = layer.attend(state, memory)  # type: ignore[operator]
            attention.append(weights)
        return Answer(self.norm(state), torch.stack(attention, dim=1))


class MedslipNet(nn.Module):
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


def resnet50_to_layer3() -> nn.Sequential:
    """ResNet-50 without ``layer4`` and head, numbered as published: 0 conv1, 1 bn1, 2 relu, 3 maxpool, 4 to 6 layers."""
    return nn.Sequential(*list(timm.create_model("resnet50", pretrained=False, num_classes=0).children())[:7])


def resnet50_layer4() -> nn.Module:
    """ResNet-50's last stage, 1024 channels to 2048 at half the size."""
    layer: nn.Module = timm.create_model("resnet50", pretrained=False, num_classes=0).layer4
    return layer
