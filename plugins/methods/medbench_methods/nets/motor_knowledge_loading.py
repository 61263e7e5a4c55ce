"""MOTOR's knowledge branches, filled from the pre-training's checkpoint, the texts in its queue included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import BlipTextModel

from medbench.errors import CheckpointError
from medbench_methods.nets.blip_keys import text_config
from medbench_methods.nets.loading import UntoldError, fill, match, require, shapes_of, taken, told_shape
from medbench_methods.nets.motor_flavour import MOTOR
from medbench_methods.nets.motor_knowledge import Knowledge, SpecificKnowledge, TagEncoder
from medbench_methods.nets.motor_layers import Decoder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from medbench.layouts import Matching, Shape

HEADS = 6
PREFIXES = {
    "tags.word_embeddings.": "tag_encoder.bert.embeddings.word_embeddings.",
    "tags.norm.": "tag_encoder.bert.embeddings.LayerNorm.",
    "tags.encoder.": "tag_encoder.encoder.",
    "tags.positions": "tag_encoder.pe.pe",
    "general.": "cross_attn.",
    "specific.encoder.": "create_knowledge.knowledge_encoder.",
    "specific.decoder.": "create_knowledge.cross_attn.",
    "specific.text_queue": "create_knowledge.text_queue",
    "specific.ids_queue": "create_knowledge.knowledge_input_ids_queue",
    "specific.mask_queue": "create_knowledge.knowledge_attention_mask_queue",
}
_QUEUE = PREFIXES["specific.ids_queue"]
_ENCODER = PREFIXES["specific.encoder."]


def load_knowledge(path: Path, tensors: Mapping[str, Tensor]) -> Knowledge:
    """Both branches in eval mode. Raises `CheckpointError` where the file lacks any of them."""
    try:
        knowledge = make_knowledge(tensors)
    except UntoldError as error:
        raise CheckpointError(
            f"{path} holds no knowledge branches ({error})", fix="use --methods motor@pretrain"
        ) from error
    needed = shapes_of(knowledge)
    matching = _match(tensors, needed)
    require(matching, tensors, path, "MOTOR (knowledge)", fix=MOTOR.mend)
    fill(knowledge, taken(tensors, matching, needed))
    _check_ids(path, knowledge)
    return knowledge


def read_knowledge(tensors: Mapping[str, Tensor]) -> Matching:
    """How a file's tensors meet both branches; what else it holds is the net's business."""
    try:
        return _match(tensors, shapes_of(make_knowledge(tensors)))
    except UntoldError as error:
        return error.matching(tensors, lambda key: True)


def make_knowledge(tensors: Mapping[str, Tensor]) -> Knowledge:
    """The branches on the meta device, of the shapes that the tensors tell. Raises `UntoldError` where one does not."""
    vocabulary, width = told_shape(tensors, "tag_encoder.bert.embeddings.word_embeddings.weight", 2)
    entries, length = told_shape(tensors, _QUEUE, 2)
    joint = told_shape(tensors, "create_knowledge.text_queue", 2)[0]
    encoder = text_config(tensors, _ENCODER, MOTOR, crosses=False)
    with torch.device("meta"):
        knowledge = Knowledge(
            TagEncoder(vocabulary, width, heads=HEADS, **_sizes(tensors, "tag_encoder.encoder.")),
            Decoder(width, heads=HEADS, **_sizes(tensors, "cross_attn.")),
            SpecificKnowledge(
                BlipTextModel(encoder, add_pooling_layer=False),
                Decoder(width, heads=HEADS, **_sizes(tensors, "create_knowledge.cross_attn.")),
                entries=entries,
                length=length,
                joint=joint,
            ),
        )
    knowledge.specific.encoder.embeddings.position_ids = torch.arange(encoder.max_position_embeddings)[None]
    return knowledge


def _match(tensors: Mapping[str, Tensor], needed: Mapping[str, Shape]) -> Matching:
    return match(tensors, needed, prefixes=PREFIXES, ignore=lambda key: True)


def _sizes(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, int]:
    layers = {key.split(".")[prefix.count(".") + 1] for key in tensors if key.startswith(f"{prefix}layers.")}
    return {"hidden": told_shape(tensors, f"{prefix}layers.0.feed_forward.w_1.weight", 2)[0], "depth": len(layers)}


def _check_ids(path: Path, knowledge: Knowledge) -> None:
    ids, words = knowledge.specific.ids_queue, knowledge.specific.encoder.embeddings.word_embeddings.num_embeddings
    if int(ids.min()) < 0 or int(ids.max()) >= words:
        raise CheckpointError(f"{path}: {_QUEUE} holds token ids outside the vocabulary of {words:,}", fix=MOTOR.mend)
