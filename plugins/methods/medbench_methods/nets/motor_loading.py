"""MOTOR's checkpoints: told apart by their keys, checked, and filled in; the training's own tensors are not read.

Containers: ``model`` (pre-training, retrieval), ``state_dict`` (generation, diagnosis), ``model_state`` (questions). Source:
MOTOR release (2023-04-24), Pretrain.py, Retrieval_BLIP.py, {generation,diagnose}_api/trainer*.py, vqa_api/utils.py.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from medbench.errors import CheckpointError
from medbench.layouts import KeyReading, Shape
from medbench_methods.nets.blip_keys import PARTS, is_spare
from medbench_methods.nets.blip_loading import Kinds, load_net, read_file, read_net, with_vocabulary
from medbench_methods.nets.blip_model import BlipModel
from medbench_methods.nets.blip_texts import TextsReader
from medbench_methods.nets.loading import fill, hollow, without_parallel
from medbench_methods.nets.motor_flavour import MOTOR
from medbench_methods.nets.motor_knowledge_loading import load_knowledge, read_knowledge
from medbench_methods.nets.motor_model import (
    MotorKnowledgeable,
    MotorPretrained,
    MotorReporter,
    MotorRetriever,
    MotorStudyRetriever,
)
from medbench_methods.nets.motor_net import VIEWS, KnowledgeNet, StudyNet
from medbench_methods.nets.motor_vqa_loading import load_answerer, read_answerer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

    from medbench.capabilities import LoadRequest
    from medbench_methods.nets.blip_keys import Part
    from medbench_methods.nets.blip_net import BlipNet

Kind = Literal["pretrain", "retrieval", "retrieval-iu", "generation-mimic", "generation-iu", "diagnosis", "vqa"]

IU_PROJ = ("iu_proj.weight", "iu_proj.bias")
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
_UNTRAINED = ("text_encoder.", "vision_proj.", "text_proj.")
_TWO_VIEWS = ("retrieval-iu", "generation-iu")


def load_motor(request: LoadRequest) -> BlipModel:
    """The model that ``request`` asks for, in eval mode; its vocabulary is read at the first text.

    Raises `MissingCheckpointError` where there is no file, and `CheckpointError` for one that is truncated, of another method
    or variant, or whose tensors do not fit.
    """
    path, tensors, kind = read_file(request, MOTOR, KINDS)
    if kind == "vqa":
        return load_answerer(request, path, tensors)
    net = load_net(path, tensors, _PARTS[kind], MOTOR, partial(_may_be_spare, kind))
    read = TextsReader(request.assets, MOTOR, net.positions)
    if request.variant == "pretrain-knowledge":
        return MotorKnowledgeable(KnowledgeNet(net, load_knowledge(path, tensors), read), MOTOR, read).eval()
    if kind == "pretrain":
        return MotorPretrained(net, MOTOR, read).eval()
    if kind == "diagnosis":
        return BlipModel(net, MOTOR, read).eval()
    study = StudyNet(net, _iu_proj(path, tensors, net.vision_model.config.hidden_size))
    models: dict[Kind, Callable[..., BlipModel]] = {"retrieval": MotorRetriever, "retrieval-iu": MotorStudyRetriever}
    return models.get(kind, MotorReporter)(study, MOTOR, read).eval()


def read_keys(variant: str, shapes: Mapping[str, Shape]) -> tuple[KeyReading, ...]:
    """What a file's keys are to a variant: to its one net, and to the branches of knowledge where it reads them."""
    tensors = without_parallel(hollow(shapes))
    kind = KINDS.read[variant][0]
    layout = f"{KINDS.names[kind]} of {MOTOR.title}"
    if kind == "vqa":
        matching = with_vocabulary(read_answerer(variant, tensors), tensors, MOTOR)
        return (KeyReading(part="images", layout=layout, matching=matching),)
    matching = read_net(tensors, _PARTS[kind], MOTOR, partial(_may_be_spare, kind), partial(_beside, kind))
    images = KeyReading(part="images", layout=layout, matching=matching)
    if variant != "pretrain-knowledge":
        return (images,)
    return (images, KeyReading(part="knowledge", layout=layout, matching=read_knowledge(tensors)))


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


KINDS: Kinds[Kind] = Kinds(
    of=kind_of,
    names={
        "pretrain": "the pre-training",
        "retrieval": "a model fine-tuned for retrieval by one view",
        "retrieval-iu": "a model fine-tuned for retrieval by two views",
        "generation-mimic": "a model fine-tuned for reports of one view",
        "generation-iu": "a model fine-tuned for reports of two views",
        "diagnosis": "a model fine-tuned for diagnosis",
        "vqa": "a model fine-tuned on questions",
    },
    read={
        "pretrain": ("pretrain",),
        "pretrain-knowledge": ("pretrain",),
        "retrieval": ("retrieval",),
        "retrieval-iu": ("retrieval-iu",),
        "generation-mimic": ("generation-mimic",),
        "generation-iu": ("generation-iu",),
        "diagnosis": ("diagnosis",),
        "vqa-rad": ("vqa",),
        "vqa-slake": ("vqa",),
    },
)


def _may_be_spare(kind: Kind, key: str) -> bool:
    """Whether a file of that kind may hold a key which is not read: pre-training's knowledge, or what no loss reached."""
    if key in IU_PROJ:
        return kind in (*_TWO_VIEWS, "diagnosis")
    if kind == "pretrain":
        return key.startswith(_KNOWLEDGE)
    if kind in ("retrieval", "retrieval-iu"):
        return False
    return key.startswith((*_UNTRAINED, "tag_encoder.")) or is_spare(key)


def _beside(kind: Kind, net: BlipNet) -> Mapping[str, Shape]:
    return _iu_shapes(net.vision_model.config.hidden_size) if kind in _TWO_VIEWS else {}


def _iu_shapes(width: int) -> dict[str, Shape]:
    return dict(zip(IU_PROJ, [(width, VIEWS * width), (width,)], strict=True))


def _iu_proj(path: Path, tensors: Mapping[str, Tensor], width: int) -> nn.Linear | None:
    if IU_PROJ[0] not in tensors:
        return None
    found = {key.removeprefix("iu_proj."): tensors[key] for key in IU_PROJ if key in tensors}
    shapes = {name: tuple(value.shape) for name, value in found.items()}
    if {f"iu_proj.{name}": shape for name, shape in shapes.items()} != _iu_shapes(width):
        raise CheckpointError(
            f"{path}: iu_proj has {shapes}, not the shapes that join {VIEWS} views of {width} numbers",
            fix=MOTOR.mend,
        )
    with torch.device("meta"):
        layer = nn.Linear(VIEWS * width, width)
    fill(layer, found)
    return layer
