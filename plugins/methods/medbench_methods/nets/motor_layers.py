"""The small pre-norm transformer of MOTOR's knowledge branches, with the release's own LayerNorm.

Source: MOTOR release (2023-04-24), medical_knowledge/GK_knowledge.py. Modules are named as its checkpoints name them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

EPS = 1e-6
DROPOUT = 0.1


class UnbiasedNorm(nn.Module):
    """``gamma (x - mean) / (std + 1e-6) + beta`` over the last axis, with the unbiased deviation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))
        self.beta = nn.Parameter(torch.zeros(width))

    def forward(self, states: Tensor) -> Tensor:
        mean, std = states.mean(dim=-1, keepdim=True), states.std(dim=-1, keepdim=True)
        return self.gamma * (states - mean) / (std + EPS) + self.beta


class Attention(nn.Module):
    """Multi-head attention; ``linears`` are query, key, value and output."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.linears = nn.ModuleList(nn.Linear(width, width) for _ in range(4))

    def forward(self, queries: Tensor, context: Tensor, visible: Tensor | None = None) -> Tensor:
        """(B, T, C) reads (B, S, C), where ``visible`` (T, S) allows -> (B, T, C)."""
        query, key, value = (
            linear(states).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for linear, states in zip(self.linears, (queries, context, context), strict=False)
        )
        read = scaled_dot_product_attention(
            query, key, value, attn_mask=visible, dropout_p=DROPOUT if self.training else 0.0
        )
        out: Tensor = self.linears[3](read.transpose(1, 2).flatten(2))
        return out


class FeedForward(nn.Module):
    """(B, T, C) -> (B, T, C) by way of ``hidden`` units."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.w_1 = nn.Linear(width, hidden)
        self.w_2 = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, states: Tensor) -> Tensor:
        out: Tensor = self.w_2(self.dropout(self.w_1(states).relu()))
        return out


class Residual(nn.Module):
    """``x + dropout(f(norm(x)))``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = UnbiasedNorm(width)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, states: Tensor, inner: Callable[[Tensor], Tensor]) -> Tensor:
        out: Tensor = states + self.dropout(inner(self.norm(states)))
        return out


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.feed_forward = FeedForward(width, hidden)
        self.sublayer = nn.ModuleList(Residual(width) for _ in range(2))

    def forward(self, states: Tensor, visible: Tensor) -> Tensor:
        states = self.sublayer[0](states, lambda inner: self.self_attn(inner, inner, visible))
        out: Tensor = self.sublayer[1](states, self.feed_forward)
        return out


class DecoderLayer(nn.Module):
    """Cross-attention and feed-forward; there is no self-attention."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.src_attn = Attention(width, heads)
        self.feed_forward = FeedForward(width, hidden)
        self.sublayer = nn.ModuleList(Residual(width) for _ in range(2))

    def forward(self, states: Tensor, context: Tensor) -> Tensor:
        states = self.sublayer[0](states, lambda inner: self.src_attn(inner, context))
        out: Tensor = self.sublayer[1](states, self.feed_forward)
        return out


class Encoder(nn.Module):
    """``depth`` encoder layers and a last norm."""

    def __init__(self, width: int, *, heads: int, hidden: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(width, heads, hidden) for _ in range(depth))
        self.norm = UnbiasedNorm(width)

    def forward(self, states: Tensor, visible: Tensor) -> Tensor:
        """(B, T, C) and a (T, T) mask of what is visible -> (B, T, C)."""
        for layer in self.layers:
            states = layer(states, visible)
        out: Tensor = self.norm(states)
        return out


class Decoder(nn.Module):
    """``depth`` decoder layers and a last norm."""

    def __init__(self, width: int, *, heads: int, hidden: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(width, heads, hidden) for _ in range(depth))
        self.norm = UnbiasedNorm(width)

    def forward(self, states: Tensor, context: Tensor) -> Tensor:
        """(B, T, C) reads (B, S, C) -> (B, T, C)."""
        for layer in self.layers:
            states = layer(states, context)
        out: Tensor = self.norm(states)
        return out
