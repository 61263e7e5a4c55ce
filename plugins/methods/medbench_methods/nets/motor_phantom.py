"""Generated checkpoints of MOTOR: the published containers and key layouts, of nets of two thin layers.

What training leaves in a file is in it too: momentum copies, queues, the knowledge branches, and for questions the nets of
MEVF+CR. As at the start of training, all tables of words are one, and the copies equal what they copy.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from medbench_methods.nets.blip_phantom import tied, write_vocabulary
from medbench_methods.nets.blip_tiny import TEMPERATURE, save
from medbench_methods.nets.drawing import draw_weights
from medbench_methods.nets.motor_answers import CLOSED_FILE, OPEN_FILE, AnswerLists
from medbench_methods.nets.motor_flavour import MOTOR
from medbench_methods.nets.motor_layouts import WIDTH, Layout, layout_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

ANSWERS = AnswerLists(
    ("no", "yes"), ("chest", "left", "right", "heart", "lungs", "effusion", "pneumonia", "pneumothorax", "x-ray")
)
_QUEUED = "create_knowledge.knowledge_"


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file's name, what it holds, under which key, and what stands beside that."""

    name: str
    layout: Layout
    container: str = "model"
    beside: Mapping[str, Any] = field(default_factory=lambda: {"optimizer": {}, "config": {}, "epoch": 29})


_REPORTS: Mapping[str, Any] = {"epoch": 49, "optimizer": {}, "monitor_best": 0.0}
_QUESTIONS: Mapping[str, Any] = {"epoch": 299, "optimizer_state": {}}
_FILES = (
    _File(name="checkpoint_29.pth", layout="pretrain"),
    _File(name="retrieval/checkpoint_best.pth", layout="retrieval"),
    _File(name="retrieval-iu/checkpoint_best.pth", layout="retrieval-iu"),
    _File(name="generation-mimic/model_best.pth", layout="generation-mimic", container="state_dict", beside=_REPORTS),
    _File(name="generation-iu/model_best.pth", layout="generation-iu", container="state_dict", beside=_REPORTS),
    _File(
        name="diagnosis/current_checkpoint.pth",
        layout="diagnosis",
        container="state_dict",
        beside={"epoch": 49, "optimizer": {}},
    ),
    _File(name="vqa-rad/VQA-RAD_best.pth", layout="vqa", container="model_state", beside=_QUESTIONS),
    _File(name="vqa-slake/SLAKE_best.pth", layout="vqa", container="model_state", beside=_QUESTIONS),
)


def write_motor(folder: Path, seed: int) -> list[Path]:
    """Write every file (about 3 MB each) under ``<folder>/motor``, lists of answers and a vocabulary; the checkpoints."""
    write_vocabulary(folder, MOTOR)
    paths = []
    for file in _FILES:
        path = folder / "motor" / file.name
        save({file.container: OrderedDict(drawn_state(file.layout, seed)), **file.beside}, path)
        if file.layout == "vqa":
            for name, answers in zip((CLOSED_FILE, OPEN_FILE), ANSWERS, strict=True):
                (path.parent / name).write_text(json.dumps(answers), encoding="utf-8")
        paths.append(path)
    return paths


def drawn_state(layout: Layout, seed: int) -> dict[str, Tensor]:
    """Every tensor of that kind of file, drawn from ``seed``."""
    state = draw_weights(layout_of(layout, ANSWERS), seed)
    for key, value in state.items():
        if key.endswith(".gamma"):
            state[key] = torch.ones_like(value)
        elif key.endswith(".weight_g"):
            state[key] = state[key.removesuffix("g") + "v"].norm()
        elif key.endswith(".pe.pe"):
            state[key] = sinusoids(value.shape[1], WIDTH)[None]
        elif key == "temp":
            state[key] = torch.tensor(TEMPERATURE)
    if layout == "pretrain":
        state |= _queued_texts(state)
        state = tied(state, "pretrain")
    words = next(value for key, value in state.items() if key.endswith("word_embeddings.weight"))
    return {key: _shared(key, state, words) for key in state}


def sinusoids(positions: int, width: int) -> Tensor:
    """(positions, width): the code of a position, sines at even places and cosines at odd ones."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    angles = torch.arange(positions)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def _shared(key: str, state: Mapping[str, Tensor], words: Tensor) -> Tensor:
    top, _, rest = key.partition(".")
    if key.endswith(("word_embeddings.weight", "cls.predictions.decoder.weight")):
        return words
    if key.endswith("cls.predictions.decoder.bias"):
        return state[key.replace("decoder.bias", "bias")]
    return state[f"{top.removesuffix('_m')}.{rest}"] if top.endswith("_m") else state[key]


def _queued_texts(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Texts of two special tokens, all else padding."""
    ids = torch.zeros_like(state[f"{_QUEUED}input_ids_queue"])
    mask = torch.zeros_like(state[f"{_QUEUED}attention_mask_queue"])
    ids[:, 0], ids[:, 1], mask[:, :2] = MOTOR.ids.cls, MOTOR.ids.sep, 1
    return {f"{_QUEUED}input_ids_queue": ids, f"{_QUEUED}attention_mask_queue": mask}
