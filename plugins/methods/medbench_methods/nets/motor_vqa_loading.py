"""MOTOR's net fine-tuned on questions, filled from its checkpoint; sizes of the heads are read from the tensors.

Container: ``epoch``, ``model_state``, ``optimizer_state`` (MOTOR release, 2023-04-24, vqa_api/utils.py). The file drags
along the nets of MEVF+CR (word vectors, GRU, bilinear attention, MAML, auto-encoder) and BLIP's decoder, which no answer
runs through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import BlipTextModel, BlipVisionModel

from medbench.errors import CheckpointError
from medbench_methods.nets.blip_keys import text_config, vision_config
from medbench_methods.nets.loading import fill, match, require, shapes_of
from medbench_methods.nets.motor_answers import check_sizes, read_answers
from medbench_methods.nets.motor_flavour import MOTOR
from medbench_methods.nets.motor_model import MotorAnswerer
from medbench_methods.nets.motor_vqa import MotorQuestionNet, released_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

    from medbench_methods.nets.blip_texts import BlipTexts

BLIP = "BLIP."
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


def load_answerer(path: Path, tensors: Mapping[str, Tensor], read: Callable[[], BlipTexts]) -> MotorAnswerer:
    """The model in eval mode, with the lists of answers that lie beside ``path``.

    Raises `CheckpointError` where tensors or lists do not fit, `MissingCheckpointError` where there is no list.
    """
    try:
        net = make_loaded_net(tensors, read)
    except KeyError as error:
        raise CheckpointError(
            f"{path} does not fit MOTOR (questions): 1 missing key ({error.args[0]})", fix="copy the file again"
        ) from error
    shapes = shapes_of(net)
    needed = {released_name(name): shape for name, shape in shapes.items()}
    require(match(tensors, needed, prefixes={"": ""}, ignore=_is_unused), path, "MOTOR (questions)")
    fill(net, {name: tensors[released_name(name)] for name in shapes})
    answers = read_answers(path.parent)
    closed, open_ = (_classes(tensors, head) for head in ("close", "open"))
    check_sizes(answers, closed, open_, checkpoint=path, folder=path.parent)
    return MotorAnswerer(net, answers, read).eval()


def make_loaded_net(tensors: Mapping[str, Tensor], read: Callable[[], BlipTexts]) -> MotorQuestionNet:
    """The net on the meta device, of the shapes that the tensors tell. Raises `KeyError` for one that is not there."""
    inner = {key.removeprefix(BLIP): value for key, value in tensors.items() if key.startswith(BLIP)}
    vision = vision_config(inner)
    closed_text, open_text = (text_config(inner, prefix, MOTOR) for prefix in ("text_encoder.", "text_encoder1."))
    hidden, joint = tensors["close_classifier.main.0.weight_v"].shape
    with torch.device("meta"):
        net = MotorQuestionNet(
            BlipVisionModel(vision),
            BlipTextModel(closed_text, add_pooling_layer=False),
            BlipTextModel(open_text, add_pooling_layer=False),
            read,
            closed=_classes(tensors, "close"),
            open=_classes(tensors, "open"),
            sizes=(joint, hidden),
        )
    for text in (net.text_encoder, net.text_encoder1):
        text.embeddings.position_ids = torch.arange(text.config.max_position_embeddings)[None]
    return net


def _classes(tensors: Mapping[str, Tensor], head: str) -> int:
    return tensors[f"{head}_classifier.main.3.bias"].shape[0]


def _is_unused(key: str) -> bool:
    return key.startswith(_UNUSED) or key.endswith("embeddings.position_ids")
