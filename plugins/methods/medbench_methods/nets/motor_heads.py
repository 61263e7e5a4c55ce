"""The parts of MOTOR's question classifier that stand after BLIP: type attention and the two answer heads.

Source: MOTOR release (2023-04-24), vqa_api/multi_level_model_new.py with ``--test_C --add_typeatt2``,
which derives from MEVF+CR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import linear

if TYPE_CHECKING:
    from torch import Tensor

DROPOUT = 0.5


class TypeAttention(nn.Module):
    """What kind of question it is, as a factor for each dimension of its answer's state.

    The release's softmax runs over the padding too, so that a logit depends on the longest question of its batch;
    ``mask_padding`` keeps it to the question's own tokens.
    """

    def __init__(self, width: int, *, mask_padding: bool) -> None:
        super().__init__()
        self.mask_padding = mask_padding
        self.tanh_gate = nn.Linear(2 * width, width)
        self.sigmoid_gate = nn.Linear(2 * width, width)
        self.attn = nn.Linear(width, 1)
        self.f_fc1 = nn.Linear(width, 2 * width)
        self.f_fc2 = nn.Linear(2 * width, width)
        self.f_fc3 = nn.Linear(width, width)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, words: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """Embedded words and encoded words (B, T, C), and (B, T) nonzero where a token is -> (B, C)."""
        both = torch.cat([words, states], dim=-1)
        scores = self.attn(self.tanh_gate(both).tanh() * self.sigmoid_gate(both).sigmoid())
        if self.mask_padding:
            scores = scores.masked_fill(mask[..., None] == 0, float("-inf"))
        question = (scores.softmax(dim=1) * states).sum(dim=1)
        hidden = self.dropout(self.f_fc2(self.f_fc1(question).relu()))
        factor: Tensor = self.f_fc3(hidden.relu())
        return factor


class ScaledLinear(nn.Module):
    """A linear layer whose matrix is one length, ``weight_g``, times the direction of ``weight_v``.

    What ``torch.nn.utils.weight_norm(dim=None)`` makes of one; torch's own of today cannot be pickled.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        plain = nn.Linear(inputs, outputs)
        self.weight_v = plain.weight
        self.weight_g = nn.Parameter(plain.weight.detach().norm())
        self.bias = plain.bias

    def forward(self, features: Tensor) -> Tensor:
        return linear(features, self.weight_v * (self.weight_g / self.weight_v.norm()), self.bias)


class AnswerHead(nn.Module):
    """(B, inputs) -> (B, classes): two linear layers whose matrices are a length times a direction."""

    def __init__(self, inputs: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            ScaledLinear(inputs, hidden), nn.ReLU(), nn.Dropout(DROPOUT), ScaledLinear(hidden, classes)
        )

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.main(features)
        return logits
