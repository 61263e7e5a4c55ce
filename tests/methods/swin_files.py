"""transformers' Swin-Tiny with drawn weights, and its tensors as its version 4 named them."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from transformers import SwinConfig, SwinModel

if TYPE_CHECKING:
    from torch import Tensor

_OLD = {
    "attention.q_proj": "attention.self.query",
    "attention.k_proj": "attention.self.key",
    "attention.v_proj": "attention.self.value",
    "attention.o_proj": "attention.output.dense",
    "attention.relative_position_bias.relative_position_bias_table": "attention.self.relative_position_bias_table",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}


def their_swin() -> Any:
    """A module of its own, always with the same weights, none of them zero."""
    return deepcopy(_made())


def stored_swin(model: Any, prefix: str) -> dict[str, Tensor]:
    """Its state_dict as transformers 4 wrote it: other names, and the places of a window among the weights."""
    state: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        if name.endswith("relative_position_index"):
            continue
        key = prefix + name
        for new, old in _OLD.items():
            key = key.replace(f".{new}", f".{old}")
        state[key] = tensor
        if key.endswith("relative_position_bias_table"):
            state[key.replace("_bias_table", "_index")] = torch.zeros(49, 49, dtype=torch.int64)
    return state


@cache
def _made() -> Any:
    model = SwinModel(SwinConfig())
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_(0.9 if "norm" in name else 0.0, 0.05, generator=generator)
    return model.eval()
