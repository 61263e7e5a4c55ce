"""MOTOR's checkpoints: told apart by their keys, checked, and filled in; the training's own tensors are not read.

Containers: ``model`` (pre-training, retrieval), ``state_dict`` (generation, diagnosis), ``model_state`` (questions). Source:
MOTOR release (2023-04-24), Pretrain.py, Retrieval_BLIP.py, {generation,diagnose}_api/trainer*.py, vqa_api/utils.py.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from medbench.errors import CheckpointError, MissingCheckpointError
from medbench_methods.nets.blip_keys import PARTS, is_spare
from medbench_methods.nets.blip_loading import load_net, read_blip
from medbench_methods.nets.blip_model import BlipModel
from medbench_methods.nets.blip_texts import load_texts
from medbench_methods.nets.loading import fill
from medbench_methods.nets.motor_flavour import MOTOR
from medbench_methods.nets.motor_knowledge_loading import load_knowledge
from medbench_methods.nets.motor_model import MotorKnowledgeable, MotorPretrained, MotorReporter, MotorRetriever
from medbench_methods.nets.motor_net import VIEWS, KnowledgeNet, StudyNet
from medbench_methods.nets.motor_vqa_loading import load_answerer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

    from medbench.capabilities import LoadRequest
    from medbench_methods.nets.blip_keys import Part

Kind = Literal["pretrain", "retrieval", "retrieval-iu", "generation-mimic", "generation-iu", "diagnosis", "vqa"]

READERS: dict[Kind, tuple[str, ...]] = {
    "pretrain": ("pretrain", "pretrain-knowledge"),
    "retrieval": ("retrieval",),
    "retrieval-iu": ("retrieval-iu",),
    "generation-mimic": ("generation-mimic",),
    "generation-iu": ("generation-iu",),
    "diagnosis": ("diagnosis",),
    "vqa": ("vqa-rad", "vqa-slake"),
}
"""The variants that read each kind of file."""
CONTAINER = replace(MOTOR, container_keys=("model", "state_dict", "model_state"))
IU_PROJ = ("iu_proj.weight", "iu_proj.bias")
_NAMES: dict[Kind, str] = {
    "pretrain": "MOTOR's pre-training",
    "retrieval": "MOTOR fine-tuned for retrieval by one view",
    "retrieval-iu": "MOTOR fine-tuned for retrieval by two views",
    "generation-mimic": "MOTOR fine-tuned for reports of one view",
    "generation-iu": "MOTOR fine-tuned for reports of two views",
    "diagnosis": "MOTOR fine-tuned for diagnosis",
    "vqa": "MOTOR fine-tuned on questions",
}
_PARTS: dict[Kind, frozenset[Part]] = {
    "pretrain": PARTS["pretrain"],
    "retrieval": PARTS["retrieval"],
    "retrieval-iu": PARTS["retrieval"],
    "generation-mimic": PARTS["caption"],
    "generation-iu": PARTS["caption"],
    "diagnosis": frozenset(),
}
# What a file may hold besides the parts that are read of it.
_KNOWLEDGE = ("create_knowledge.", "tag_encoder.", "cross_attn.")
_UNTRAINED = ("text_encoder.", "vision_proj.", "text_proj.", "iu_proj.")


def load_motor(request: LoadRequest) -> BlipModel:
    """The model that ``request`` asks for, in eval mode; its vocabulary is read at the first text.

    Raises `MissingCheckpointError` where there is no file (or, for questions, no list of answers), and `CheckpointError` for
    one that is truncated, of another method or variant, or whose tensors do not fit.
    """
    if request.checkpoint is None:
        raise MissingCheckpointError(f"motor@{request.variant} needs its checkpoint file")
    path = request.checkpoint
    tensors = read_blip(path, CONTAINER)
    kind = _check_kind(path, tensors, request.variant)
    read = cache(partial(load_texts, request.assets, MOTOR))
    if kind == "vqa":
        return load_answerer(path, tensors, read)
    net = load_net(path, tensors, _PARTS[kind], MOTOR, partial(_may_be_spare, kind))
    if request.variant == "pretrain-knowledge":
        return MotorKnowledgeable(KnowledgeNet(net, load_knowledge(path, tensors), read), MOTOR, read).eval()
    if kind == "pretrain":
        return MotorPretrained(net, MOTOR, read).eval()
    if kind == "diagnosis":
        return BlipModel(net, MOTOR, read).eval()
    study = StudyNet(net, _iu_proj(path, tensors, net.vision_model.config.hidden_size))
    model: Callable[..., BlipModel] = MotorRetriever if net.text_decoder is None else MotorReporter
    return model(study, MOTOR, read).eval()


def kind_of(tensors: Mapping[str, object]) -> Kind | None:
    """The kind of file that holds these keys, or None where it is none of MOTOR's."""
    starts = {key.partition(".")[0] for key in tensors}
    if "BLIP" in starts:
        return "vqa"
    if not {"visual_encoder", "text_encoder"} <= starts:
        return None
    matches, writes, two_views = (part in starts for part in ("itm_head", "text_decoder", "iu_proj"))
    if matches and writes:
        return "pretrain"
    if matches:
        return "retrieval-iu" if two_views else "retrieval"
    if writes:
        return "generation-iu" if two_views else "generation-mimic"
    return "diagnosis"


def _check_kind(path: Path, tensors: Mapping[str, Tensor], variant: str) -> Kind:
    kind = kind_of(tensors)
    if kind is None:
        raise CheckpointError(
            f"{path}: this is not a MOTOR checkpoint (no visual_encoder.* with text_encoder.*; it holds"
            f" {next(iter(tensors))}, ...)",
            fix=f"point medbench at the {MOTOR.file}",
        )
    if variant not in READERS[kind]:
        raise CheckpointError(
            f"{path}: this is {_NAMES[kind]} by its keys, which motor@{variant} does not read",
            fix=f"use --methods {' or '.join(f'motor@{reader}' for reader in READERS[kind])}",
        )
    return kind


def _may_be_spare(kind: Kind, key: str) -> bool:
    """Whether a file of that kind may hold a key which is not read: pre-training's knowledge, or what no loss reached."""
    if kind == "pretrain":
        return key.startswith(_KNOWLEDGE)
    if kind in ("retrieval", "retrieval-iu"):
        return key in IU_PROJ
    return key.startswith((*_UNTRAINED, "tag_encoder.")) or is_spare(key)


def _iu_proj(path: Path, tensors: Mapping[str, Tensor], width: int) -> nn.Linear | None:
    if IU_PROJ[0] not in tensors:
        return None
    found = {key.removeprefix("iu_proj."): tensors[key] for key in IU_PROJ if key in tensors}
    shapes = {name: tuple(value.shape) for name, value in found.items()}
    if shapes != {"weight": (width, VIEWS * width), "bias": (width,)}:
        raise CheckpointError(
            f"{path}: iu_proj has {shapes}, not the shapes that join {VIEWS} views of {width} numbers",
            fix="copy the file again",
        )
    with torch.device("meta"):
        layer = nn.Linear(VIEWS * width, width)
    fill(layer, found)
    return layer
