"""BLIP's published names of tensors beside transformers' names of the same, and what shapes tell of a net.

Source: BLIP release, ``models/{vit,med,blip_pretrain,blip_retrieval,blip_itm,blip,blip_vqa}.py``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from transformers import BlipTextConfig, BlipVisionConfig

from medbench_methods.nets.loading import told_shape

if TYPE_CHECKING:
    from torch import Tensor

    from medbench_methods.nets.blip_flavour import BlipFlavour

Part = Literal["text_encoder", "text_decoder", "projections", "itm_head"]
Kind = Literal["pretrain", "retrieval", "itm", "caption", "vqa"]

PARTS: Mapping[Kind, frozenset[Part]] = {
    "pretrain": frozenset({"text_encoder", "text_decoder", "projections", "itm_head"}),
    "retrieval": frozenset({"text_encoder", "projections", "itm_head"}),
    "itm": frozenset({"text_encoder", "projections", "itm_head"}),
    "caption": frozenset({"text_decoder"}),
    "vqa": frozenset({"text_encoder", "text_decoder"}),
}
"""What stands beside the image encoder in each kind of file."""

HEAD_WIDTH = 64
VISION_EPS = 1e-6
TEXT_EPS = 1e-12
DROPOUT = 0.1
LABEL_SMOOTHING = 0.1

_QUEUES = frozenset({"temp", "image_queue", "text_queue", "idx_queue", "queue_ptr", "ptr_queue"})
_MOMENTUM = re.compile(r"[a-z_]+_m\.")
_VISION = "vision_model."
# transformers' name -> the published one, within the image encoder; the first that fits is taken.
_VISION_NAMES = (
    ("embeddings.class_embedding", "cls_token"),
    ("embeddings.position_embedding", "pos_embed"),
    ("embeddings.patch_embedding.", "patch_embed.proj."),
    ("post_layernorm.", "norm."),
)
_BLOCK_NAMES = (
    ("layer_norm1.", "norm1."),
    ("layer_norm2.", "norm2."),
    ("self_attn.qkv.", "attn.qkv."),
    ("self_attn.projection.", "attn.proj."),
    ("mlp.", "mlp."),
)
_BLOCK = re.compile(r"encoder\.layers\.(\d+)\.")


def published_key(name: str) -> str:
    """The published name of a tensor that transformers calls ``name``; texts and heads have one name in both."""
    if not name.startswith(_VISION):
        return name
    inner = name.removeprefix(_VISION)
    block = _BLOCK.match(inner)
    start = f"blocks.{block[1]}." if block else ""
    inner = inner[block.end() :] if block else inner
    for ours, theirs in _BLOCK_NAMES if block else _VISION_NAMES:
        if inner.startswith(ours):
            return f"visual_encoder.{start}{theirs}{inner.removeprefix(ours)}"
    raise ValueError(f"{name} has no published name")


def is_spare(key: str) -> bool:
    """Whether a published key belongs to training alone, or is an index that transformers makes by itself."""
    return key in _QUEUES or _MOMENTUM.match(key) is not None or key.endswith("embeddings.position_ids")


def kind_of(keys: Mapping[str, object]) -> Kind | None:
    """The kind of file that holds these keys, or None where it is none of BLIP's."""
    encoder, decoder = (any(key.startswith(part) for key in keys) for part in ("text_encoder.", "text_decoder."))
    if not any(key.startswith("visual_encoder.") for key in keys):
        return None
    if "itm_head.weight" in keys and encoder:
        if decoder:
            return "pretrain"
        return "retrieval" if any(is_spare(key) and "position_ids" not in key for key in keys) else "itm"
    if decoder:
        return "vqa" if encoder else "caption"
    return None


def vision_config(tensors: Mapping[str, Tensor]) -> BlipVisionConfig:
    """The image encoder of that shape. Raises `UntoldError` where a tensor does not tell it."""
    width, _, _, patch = told_shape(tensors, "visual_encoder.patch_embed.proj.weight", 4)
    side = math.isqrt(told_shape(tensors, "visual_encoder.pos_embed", 3)[1] - 1)
    return BlipVisionConfig(
        hidden_size=width,
        intermediate_size=told_shape(tensors, "visual_encoder.blocks.0.mlp.fc1.weight", 2)[0],
        num_hidden_layers=_depth(tensors, "visual_encoder.blocks."),
        num_attention_heads=heads_of(width),
        image_size=side * patch,
        patch_size=patch,
        hidden_act="gelu",
        layer_norm_eps=VISION_EPS,
        attention_dropout=0.0,
    )


def text_config(
    tensors: Mapping[str, Tensor], prefix: str, flavour: BlipFlavour, *, crosses: bool = True
) -> BlipTextConfig:
    """The text net under ``prefix`` (``text_encoder.``, ``text_decoder.bert.``). Raises `UntoldError` as `vision_config`.

    ``is_decoder`` is what makes transformers build cross-attention, as most ``crosses`` to the image; an encoder is run
    without a causal mask.
    """
    vocabulary, width = told_shape(tensors, f"{prefix}embeddings.word_embeddings.weight", 2)
    cross = f"{prefix}encoder.layer.0.crossattention.self.key.weight"
    return BlipTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        encoder_hidden_size=told_shape(tensors, cross, 2)[1] if crosses else width,
        intermediate_size=told_shape(tensors, f"{prefix}encoder.layer.0.intermediate.dense.weight", 2)[0],
        num_hidden_layers=_depth(tensors, f"{prefix}encoder.layer."),
        num_attention_heads=heads_of(width),
        max_position_embeddings=told_shape(tensors, f"{prefix}embeddings.position_embeddings.weight", 2)[0],
        hidden_act="gelu",
        layer_norm_eps=TEXT_EPS,
        hidden_dropout_prob=DROPOUT,
        attention_probs_dropout_prob=DROPOUT,
        label_smoothing=LABEL_SMOOTHING,
        pad_token_id=flavour.ids.pad,
        bos_token_id=flavour.ids.dec,
        eos_token_id=flavour.ids.sep,
        sep_token_id=flavour.ids.sep,
        is_decoder=crosses,
    )


def heads_of(width: int) -> int:
    """Attention heads of a net of that width; twelve in the published ones."""
    return max(1, width // HEAD_WIDTH)


def _depth(tensors: Mapping[str, Tensor], prefix: str) -> int:
    return len({key.removeprefix(prefix).partition(".")[0] for key in tensors if key.startswith(prefix)})
