"""Every key of MOTOR's files with a tensor on the meta device, of tiny nets: what each of its scripts saves.

Source: MOTOR release (2023-04-24), the state_dicts of BLIP_{Pretrain,Retrieval,Decoder,Base} and of the question net.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import nn
from transformers import BlipTextModel, BlipVisionModel

from medbench_methods.nets.blip_keys import published_key
from medbench_methods.nets.blip_net import BlipNet
from medbench_methods.nets.blip_tiny import LAYERS, QUEUE, integers, position_ids, tiny_text, tiny_vision, training_only
from medbench_methods.nets.motor_flavour import MOTOR
from medbench_methods.nets.motor_knowledge import Knowledge, SpecificKnowledge, TagEncoder
from medbench_methods.nets.motor_knowledge_loading import HEADS, PREFIXES
from medbench_methods.nets.motor_layers import Decoder
from medbench_methods.nets.motor_vqa import IMAGE_SIZE, MotorQuestionNet, released_name

if TYPE_CHECKING:
    from torch import Tensor

    from medbench_methods.nets.blip_texts import BlipTexts
    from medbench_methods.nets.motor_answers import AnswerLists

Layout = Literal["pretrain", "retrieval", "retrieval-iu", "generation-mimic", "generation-iu", "diagnosis", "vqa"]

WIDTH = 24
JOINT = 16
QUEUED_TOKENS = 90
HEAD = (32, 48)
_COPIED = ("visual_encoder.", "text_encoder.", "vision_proj.", "text_proj.", "cross_attn.", "iu_proj.")
_SIZES = {"heads": HEADS, "hidden": 2 * WIDTH, "depth": LAYERS}
_OF_MEVF = (
    "w_emb.emb.weight",
    "q_emb.rnn.weight_ih_l0",
    "close_att.logits.h_bias",
    "open_att.logits.h_bias",
    "close_resnet.b_net.0.v_net.main.1.bias",
    "open_resnet.b_net.0.v_net.main.1.bias",
    "close_classifier.projection.weight",
    "open_classifier.projection.weight",
    "image_linear.weight",
    "D_reduction.weight",
    "maml.conv1.weight",
    "ae.conv1.weight",
    "convert.weight",
)


def layout_of(layout: Layout, answers: AnswerLists) -> dict[str, Tensor]:
    """The keys that this kind of file holds, tiny tensors in the place of the published ones."""
    if layout == "vqa":
        return _questions(answers)
    decoder, matches = layout.startswith(("pretrain", "generation")), layout.startswith(("pretrain", "retrieval"))
    keys = _blip(decoder=decoder, matches=matches)
    if layout in ("retrieval-iu", "generation-iu", "diagnosis"):
        keys |= _linear("iu_proj.", 2 * WIDTH, WIDTH)
    if layout in ("pretrain", "diagnosis"):
        knowledge = _knowledge()
        keys |= {key: one for key, one in knowledge.items() if layout == "pretrain" or key.startswith("tag_encoder.")}
    if not matches:
        return keys
    return keys | training_only(keys, _COPIED, JOINT, "queue_ptr" if layout == "pretrain" else "ptr_queue")


def _blip(*, decoder: bool, matches: bool) -> dict[str, Tensor]:
    texts = tiny_text(MOTOR, WIDTH, read=WIDTH)
    with torch.device("meta"):
        net = BlipNet(
            BlipVisionModel(tiny_vision(WIDTH, 224)),
            encoder=texts,
            decoder=texts if decoder else None,
            joint_dim=JOINT,
            matches=matches,
        )
    keys = {published_key(name): one for name, one in net.state_dict().items()}
    prefixes = ("text_encoder.", "text_decoder.bert.") if decoder else ("text_encoder.",)
    return keys | {f"{prefix}embeddings.position_ids": position_ids() for prefix in prefixes}


def _knowledge() -> dict[str, Tensor]:
    with torch.device("meta"):
        net = Knowledge(
            TagEncoder(MOTOR.vocabulary_size, WIDTH, **_SIZES),
            Decoder(WIDTH, **_SIZES),
            SpecificKnowledge(
                BlipTextModel(tiny_text(MOTOR, WIDTH, read=None), add_pooling_layer=False),
                Decoder(WIDTH, **_SIZES),
                entries=QUEUE,
                length=QUEUED_TOKENS,
                joint=JOINT,
            ),
        )
    keys = {}
    for name, one in net.state_dict().items():
        ours = next(prefix for prefix in PREFIXES if name.startswith(prefix))
        keys[PREFIXES[ours] + name.removeprefix(ours)] = one
    return (
        keys
        | _linear("create_knowledge.text_proj.", WIDTH, JOINT)
        | {
            "create_knowledge.queue_ptr": integers(1),
            "create_knowledge.knowledge_encoder.embeddings.position_ids": position_ids(),
        }
    )


def _questions(answers: AnswerLists) -> dict[str, Tensor]:
    texts = tiny_text(MOTOR, WIDTH, read=WIDTH)
    with torch.device("meta"):
        net = MotorQuestionNet(
            BlipVisionModel(tiny_vision(WIDTH, IMAGE_SIZE)),
            BlipTextModel(texts, add_pooling_layer=False),
            BlipTextModel(texts, add_pooling_layer=False),
            _no_texts,
            closed=len(answers.closed),
            open=len(answers.open),
            sizes=HEAD,
        )
        unread = {key: torch.empty(2, 3) for key in _OF_MEVF}
    blip = _blip(decoder=True, matches=False)
    unread |= {f"BLIP.{key}": one for key, one in blip.items() if key.startswith(("text_decoder.", "vision_proj."))}
    indices = {f"BLIP.{name}.embeddings.position_ids": position_ids() for name in ("text_encoder", "text_encoder1")}
    return {released_name(name): one for name, one in net.state_dict().items()} | indices | unread


def _linear(prefix: str, inputs: int, outputs: int) -> dict[str, Tensor]:
    with torch.device("meta"):
        return {prefix + name: one for name, one in nn.Linear(inputs, outputs).state_dict().items()}


def _no_texts() -> BlipTexts:
    raise RuntimeError("a net that only tells its layout reads no texts")
