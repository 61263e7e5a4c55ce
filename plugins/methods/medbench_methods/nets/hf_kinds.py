"""What medbench knows of transformers' model types, as data: which output is the feature, and where the maps are.

Imports no heavy library: the plan reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from medbench.errors import CheckpointError, UnknownNameError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A model type.

    ``pooling``: ``pooler`` takes the model's own pooled output, where that is what it was trained to give (DINOv2's normalised
    class token, CLIP's, SigLIP's attention pool, the average of a CNN); ``cls`` the class token of the last hidden state, where
    the pooler is a leftover of BERT that most checkpoints lack; ``mean`` the mean of all tokens. ``maps`` for dense
    prediction: the last patch ``tokens``, the ``stages`` of a CNN, or None. ``joint``: a pair of towers, image and text, with
    ``padding`` of the texts as in training.
    """

    pooling: Literal["pooler", "cls", "mean"]
    maps: Literal["tokens", "stages"] | None = None
    joint: bool = False
    padding: Literal["longest", "max_length"] = "longest"


_CLS_VIT = Kind(pooling="cls", maps="tokens")
_POOLED_VIT = Kind(pooling="pooler", maps="tokens")
_CNN = Kind(pooling="pooler", maps="stages")
_POOLED = Kind(pooling="pooler")

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "vit": _CLS_VIT,
        "deit": _CLS_VIT,
        "vit_msn": _CLS_VIT,
        "ijepa": Kind(pooling="mean", maps="tokens"),
        "dinov2": _POOLED_VIT,
        "dinov2_with_registers": _POOLED_VIT,
        "dinov3_vit": _POOLED_VIT,
        "clip_vision_model": _POOLED_VIT,
        "siglip_vision_model": _POOLED_VIT,
        "beit": _POOLED,
        "swin": _POOLED,
        "swinv2": _POOLED,
        "resnet": _CNN,
        "regnet": _CNN,
        "convnext": _CNN,
        "convnextv2": _CNN,
        "clip": Kind(pooling="pooler", maps="tokens", joint=True),
        "siglip": Kind(pooling="pooler", maps="tokens", joint=True, padding="max_length"),
        "vision-text-dual-encoder": Kind(pooling="pooler", joint=True),
    }
)
REMOTE = Kind(pooling="pooler")
"""A repository's own code gives its pooled output, whatever that is."""


def kind_of(config: Mapping[str, Any], name: str) -> Kind:
    """The kind of a ``config.json``.

    Raises `UsageError` for one that medbench has no rule for, or that brings its own code, and `CheckpointError` for one whose
    code has no names.
    """
    model_type = str(config.get("model_type", ""))
    if model_type in KINDS:
        return KINDS[model_type]
    code = config.get("auto_map")
    if code:
        if not isinstance(code, Mapping):
            raise CheckpointError(f"{name}: auto_map in its config.json is no object", fix="download it again")
        files = sorted({str(one).rpartition(".")[0].replace(".", "/") + ".py" for one in code.values()})
        raise UsageError(
            f"{name} wants to run code of its own ({', '.join(files)}), which medbench does not do unasked",
            fix=f"read that code, then name it {name}+remote-code",
        )
    if not model_type and "architecture" in config:
        raise UsageError(f"{name} is a timm model", fix=f"name it timm/{name.rpartition('/')[2]}")
    raise UnknownNameError(f"transformers model type of {name}:", model_type, KINDS)
