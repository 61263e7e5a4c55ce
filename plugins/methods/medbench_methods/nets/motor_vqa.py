"""MOTOR's question net: BLIP's image encoder, a text encoder for each type of question, and a head of answers for each.

Source: MOTOR release (2023-04-24), vqa_api/multi_level_model_{new,slake}.py and models/blip_vqa_new.py, as the README runs it
(``--test_C --add_typeatt2``): classification over two fixed lists of answers, nothing is written or ranked.
"""

from __future__ import annotations

import re
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch
from timm.layers import drop_path
from torch import nn
from transformers import BlipTextModel

from medbench_methods.nets.blip_keys import published_key
from medbench_methods.nets.motor_flavour import MOTOR
from medbench_methods.nets.motor_heads import AnswerHead, TypeAttention

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor
    from transformers import BlipVisionModel

    from medbench_methods.nets.blip_texts import BlipTexts

IMAGE_SIZE = 128
JOINT = 1024
HIDDEN = 2048
DROP_PATH = 0.1
_NETS = ("vision_model.", "text_encoder.", "text_encoder1.")
_GATES = re.compile(r"typeatt\.(?=tanh_gate|sigmoid_gate|attn)")


class MotorQuestionNet(nn.Module):
    """`QuestionNet`: two heads over one image encoder; the caller says which head a question goes to.

    Images are squashed to 128 pixels a side, the size that the release trains and tests at, in full and unmirrored: its data
    set crops and flips at random even when it tests, and a share of the answers are sides. Questions are at most 35 words
    and 35 tokens and keep [CLS] first. ``mask_padding`` is `TypeAttention`'s: the release does not mask, which its own weights
    are to be read with; in a new net it is the default because an answer should not depend on the other questions of its batch.
    ``read`` gives the vocabulary, when a question is first asked.
    """

    def __init__(
        self,
        vision: BlipVisionModel,
        closed_text: BlipTextModel,
        open_text: BlipTextModel,
        read: Callable[[], BlipTexts],
        *,
        closed: int,
        open: int,
        sizes: tuple[int, int] = (JOINT, HIDDEN),
        mask_padding: bool = True,
    ) -> None:
        super().__init__()
        width: int = closed_text.config.hidden_size
        joint, hidden = sizes
        self.preprocess = MOTOR.preprocess(vision.config.image_size)
        self.vision_model = vision
        self.text_encoder = closed_text
        self.text_encoder1 = open_text
        self.typeatt = TypeAttention(width, mask_padding=mask_padding)
        self.question_linear = nn.Linear(width, joint)
        self.close_classifier = AnswerHead(joint, hidden, closed)
        self.open_classifier = AnswerHead(joint, hidden, open)
        self.read = read
        _drop_paths(vision)

    def encode_questions(self, images: Tensor, questions: list[str], is_closed: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, 128, 128), B questions and (B,) bool -> logits (closed rows, closed), (open rows, open)."""
        tokens = self.vision_model(images).last_hidden_state
        return self.ask(tokens, questions, is_closed.to(tokens.device))

    def ask(self, tokens: Tensor, questions: list[str], is_closed: Tensor) -> tuple[Tensor, Tensor]:
        """The same from (B, T, C) tokens of the images."""
        ids, mask = self.read().questions(questions).to(tokens.device)
        ids[:, 0] = MOTOR.ids.cls  # BLIP puts [ENC] there; MOTOR's questions keep what the tokenizer gives
        logits = []
        for encoder, head, rows in (
            (self.text_encoder, self.close_classifier, is_closed),
            (self.text_encoder1, self.open_classifier, ~is_closed),
        ):
            feature = self.joint_feature(encoder, tokens[rows], ids[rows], mask[rows])
            logits.append(head(feature))
        return logits[0], logits[1]

    def joint_feature(self, encoder: BlipTextModel, tokens: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Image tokens and a question's ids and mask -> (B, 1024), what a head reads; no rows give no rows."""
        if not len(ids):
            return tokens.new_zeros(0, self.question_linear.out_features)
        words = encoder.embeddings(input_ids=ids)
        states = encoder(ids, attention_mask=mask).last_hidden_state
        fused = encoder(ids, attention_mask=mask, encoder_hidden_states=tokens).last_hidden_state[:, 0]
        feature: Tensor = self.question_linear(fused * self.typeatt(words, states, mask))
        return feature


def make_question_net(
    vision: BlipVisionModel,
    text: BlipTextModel,
    read: Callable[[], BlipTexts],
    *,
    closed: int,
    open: int,
    seed: int,
    open_branch: Literal["copied", "drawn"] = "copied",
    mask_padding: bool = True,
) -> MotorQuestionNet:
    """The net that fine-tuning starts from: copies of ``vision`` (at 128 pixels) and ``text``, new layers from ``seed``.

    The release never fills the text encoder of the open questions, which therefore starts at random: ``drawn`` does so too,
    ``copied`` starts it from ``text`` like the closed one.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        open_text = BlipTextModel(text.config, add_pooling_layer=False) if open_branch == "drawn" else deepcopy(text)
        return MotorQuestionNet(
            resized(vision, IMAGE_SIZE),
            deepcopy(text),
            open_text,
            read,
            closed=closed,
            open=open,
            mask_padding=mask_padding,
        )


def resized(vision: BlipVisionModel, size: int) -> BlipVisionModel:
    """A copy for images of ``size`` pixels: position embeddings bicubic, the class token's kept (models/vit_blip.py)."""
    copy = deepcopy(vision)
    embeddings, side = copy.embeddings, size // copy.config.patch_size
    with torch.no_grad():
        tokens = embeddings.position_embedding.new_zeros(1, side * side + 1, embeddings.embed_dim)  # its shape is read
        positions = embeddings.interpolate_pos_encoding(tokens, size, size).clone()
    embeddings.position_embedding = nn.Parameter(positions)
    copy.config.image_size = embeddings.image_size = size
    embeddings.num_patches, embeddings.num_positions = side * side, side * side + 1
    return copy


def released_name(name: str) -> str:
    """The release's name of a tensor of `MotorQuestionNet`."""
    if name.startswith(_NETS):
        return "BLIP." + published_key(name)
    return _GATES.sub("typeatt.q_final.", name)


def _drop_paths(vision: BlipVisionModel) -> None:
    """Stochastic depth while training, from 0 at the first block to 0.1 at the last, which transformers' BLIP lacks."""
    layers = vision.encoder.layers
    for rate, layer in zip(torch.linspace(0, DROP_PATH, len(layers), device="cpu").tolist(), layers, strict=True):
        layer.self_attn.register_forward_hook(partial(_drop_path, rate=rate))
        layer.mlp.register_forward_hook(partial(_drop_path, rate=rate))


def _drop_path(module: nn.Module, _: Any, output: Any, *, rate: float) -> Any:
    if isinstance(output, tuple):
        return (drop_path(output[0], rate, module.training), *output[1:])
    return drop_path(output, rate, module.training)
