"""The decoder by which MedKLIP and MeDSLIP ask an image's patches for findings, all together, by text queries.

Parameters have the published names. Source: the MeDSLIP release (2024-07-15), transformer; MedKLIP's decoder is the same:
four pre-norm layers of four heads, 1024 wide inside, ReLU, dropout 0.1 (arXiv 2301.02228).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

QUERY_WIDTH = 256
TEXT_WIDTH = 768
LAYERS = 4
HEADS = 4


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
