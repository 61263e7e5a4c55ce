"""MOTOR's net fine-tuned on questions, filled from its checkpoint; sizes of the heads are read from the tensors.

Container: ``epoch``, ``model_state``, ``optimizer_state`` (MOTOR release, 2023-04-24, vqa_api/utils.py). The file drags
along the nets of MEVF+CR (word vectors, GRU, bilinear attention, MAML, auto-encoder) and BLIP's decoder, which no answer
runs through. Its type attention was trained with padding unmasked and is read so.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from transformers import BlipTextModel, BlipVisionModel

from medbench.errors import CheckpointError, MissingCheckpointError
from medbench_methods.nets.blip_keys import text_config, vision_config
from medbench_methods.nets.blip_texts import TextsReader
from medbench_methods.nets.loading import UntoldError, fill, match, require, shapes_of, told_shape
from medbench_methods.nets.motor_answers import AnswerLists, check_sizes, read_answers
from medbench_methods.nets.motor_flavour import MOTOR
from medbench_methods.nets.motor_model import MotorAnswerer
from medbench_methods.nets.motor_vqa import MotorQuestionNet, released_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from medbench.capabilities import LoadRequest
    from medbench.layouts import Matching

BLIP = "BLIP."
HEADS = {"vqa-rad": (56, 431), "vqa-slake": (35, 225)}
"""Closed and open answers of each published variant, by which its files are told from the other's."""
_UNUSED = (
    "w_emb.",
    "q_emb.",
    "close_att.",
    "open_att.",
    "close_resnet.",
    "open_resnet.",
    "close_classifier.projection.",
    "open_classifier.projection.",
    "image_linear.",
    "D_reduction.",
    "maml.",
    "ae.",
    "convert.",
    "BLIP.text_decoder.",
    "BLIP.vision_proj.",
    "BLIP.text_proj.",
    "BLIP.iu_proj.",
)


def load_answerer(request: LoadRequest, path: Path, tensors: Mapping[str, Tensor]) -> MotorAnswerer:
    """The model in eval mode; its lists of answers are read at the first question.

    Raises `CheckpointError` where the tensors do not fit, or fit the other variant.
    """
    try:
        net = make_loaded_net(tensors, request.assets)
    except UntoldError as error:
        raise CheckpointError(f"{path} does not fit MOTOR (questions): {error}", fix=MOTOR.mend) from error
    require(_match(tensors, net), tensors, path, "MOTOR (questions)", fix=MOTOR.mend)
    fill(net, {name: tensors[released_name(name)] for name in shapes_of(net)})
    heads = _classes(tensors, "close"), _classes(tensors, "open")
    _check_variant(path, request.variant, heads)
    return MotorAnswerer(net, partial(_lists_of, request.assets, request.variant, heads, path)).eval()


def read_answerer(variant: str, tensors: Mapping[str, Tensor]) -> Matching:
    """How a file's tensors meet the net of the sizes that they tell; heads of the other variant do not fit."""
    try:
        matching = _match(tensors, make_loaded_net(tensors, None))
    except UntoldError as error:
        return error.matching(tensors, _is_unused)
    heads = _classes(tensors, "close"), _classes(tensors, "open")
    if _owner_of(heads) in {None, variant}:
        return matching
    pairs = zip(("close", "open"), heads, HEADS[variant], strict=True)
    wrong = tuple((_last(head), (found,), (own,)) for head, found, own in pairs if found != own)
    return replace(matching, misshapen=matching.misshapen + wrong)


def make_loaded_net(tensors: Mapping[str, Tensor], assets: Path | None) -> MotorQuestionNet:
    """The net on the meta device, of the shapes that the tensors tell. Raises `UntoldError` where one does not."""
    inner = {key.removeprefix(BLIP): value for key, value in tensors.items() if key.startswith(BLIP)}
    vision = vision_config(inner)
    closed_text, open_text = (text_config(inner, prefix, MOTOR) for prefix in ("text_encoder.", "text_encoder1."))
    hidden, joint = told_shape(tensors, "close_classifier.main.0.weight_v", 2)
    positions = min(closed_text.max_position_embeddings, open_text.max_position_embeddings)
    with torch.device("meta"):
        net = MotorQuestionNet(
            BlipVisionModel(vision),
            BlipTextModel(closed_text, add_pooling_layer=False),
            BlipTextModel(open_text, add_pooling_layer=False),
            TextsReader(assets, MOTOR, positions),
            closed=_classes(tensors, "close"),
            open=_classes(tensors, "open"),
            sizes=(joint, hidden),
            mask_padding=False,
        )
    for text in (net.text_encoder, net.text_encoder1):
        text.embeddings.position_ids = torch.arange(text.config.max_position_embeddings)[None]
    return net


def _classes(tensors: Mapping[str, Tensor], head: str) -> int:
    return told_shape(tensors, _last(head), 1)[0]


def _last(head: str) -> str:
    return f"{head}_classifier.main.3.bias"


def _match(tensors: Mapping[str, Tensor], net: MotorQuestionNet) -> Matching:
    needed = {released_name(name): shape for name, shape in shapes_of(net).items()}
    return match(tensors, needed, prefixes={"": ""}, ignore=_is_unused)


def _owner_of(heads: tuple[int, int]) -> str | None:
    return next((name for name, sizes in HEADS.items() if sizes == heads), None)


def _check_variant(path: Path, variant: str, heads: tuple[int, int]) -> None:
    other = _owner_of(heads)
    if other not in {None, variant}:
        raise CheckpointError(
            f"{path}: its heads have {heads[0]} closed and {heads[1]} open answers, which are those of motor@{other}, not of"
            f" motor@{variant}",
            fix=f"use --methods motor@{other}",
        )


def _lists_of(assets: Path | None, variant: str, heads: tuple[int, int], checkpoint: Path) -> AnswerLists:
    """The variant's lists, from the one place that the plan takes their digests of, wherever the checkpoint lies."""
    if assets is None:
        raise MissingCheckpointError(f"motor@{variant} has no checkpoints folder to read its lists of answers from")
    folder = assets / "motor" / variant
    answers = read_answers(folder)
    check_sizes(answers, *heads, checkpoint=checkpoint, folder=folder)
    return answers


def _is_unused(key: str) -> bool:
    return key.startswith(_UNUSED) or key.endswith("embeddings.position_ids")
