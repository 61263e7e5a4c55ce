"""Generated checkpoints of BLIP's family: the published container and every published key, of nets of two thin layers."""

from __future__ import annotations

import string
from collections import OrderedDict
from typing import TYPE_CHECKING

import torch
from transformers import BlipVisionModel

from medbench_methods.nets.blip_keys import PARTS, Kind, published_key
from medbench_methods.nets.blip_net import BlipNet
from medbench_methods.nets.blip_tiny import TEMPERATURE, position_ids, save, tiny_text, tiny_vision, training_only
from medbench_methods.nets.drawing import draw_weights

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from medbench_methods.nets.blip_flavour import BlipFlavour

VISION_WIDTH = 128
TEXT_WIDTH = 16
JOINT_DIM = 32
IMAGE_SIZE = 224
_ENCODER, _DECODER = "text_encoder.", "text_decoder.bert."
_MOMENTUM = ("visual_encoder.", "text_encoder.", "vision_proj.", "text_proj.")


def write_blip(folder: Path, flavour: BlipFlavour, files: Mapping[str, Kind], seed: int) -> list[Path]:
    """Write ``<method>/<file>`` of that kind for each of ``files`` under ``folder``; the paths written.

    Where ``folder`` has no vocabulary of the flavour, a generated one is put there.
    """
    write_vocabulary(folder, flavour)
    paths = []
    for name, kind in files.items():
        path = folder / flavour.method / name
        state = OrderedDict(tied(draw_weights(official_layout(flavour, kind), seed), kind))
        save({"model": state, "optimizer": {}, "config": {"image_size": IMAGE_SIZE}, "epoch": 59}, path)
        paths.append(path)
    return paths


def write_vocabulary(folder: Path, flavour: BlipFlavour) -> None:
    """A stand-in of the right size with the special tokens in place: it knows the prompt and spells any other word."""
    path = folder / "tokenizers" / flavour.vocabulary / "vocab.txt"
    if path.exists() or path.parent.is_file():
        return
    ids = flavour.ids
    tokens = {ids.pad: "[PAD]", ids.cls - 1: "[UNK]", ids.cls: "[CLS]", ids.sep: "[SEP]", ids.sep + 1: "[MASK]"}
    marks = string.ascii_lowercase + string.digits + string.punctuation
    prompt = (word for word in flavour.prompt.split() if word not in marks)
    tokens |= dict(enumerate((*marks, *(f"##{mark}" for mark in marks), *prompt), start=ids.sep + 2))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{tokens.get(one, f'[unused{one}]')}\n" for one in range(ids.dec)), encoding="utf-8")


def official_layout(flavour: BlipFlavour, kind: Kind) -> dict[str, Tensor]:
    """Every key of the published state_dict, with a tensor on the meta device of the tiny net's shape and type."""
    parts = PARTS[kind]
    # A decoder of answers reads the states of questions, any other the image's.
    read = TEXT_WIDTH if kind == "vqa" else VISION_WIDTH
    with torch.device("meta"):
        net = BlipNet(
            BlipVisionModel(tiny_vision(VISION_WIDTH, IMAGE_SIZE)),
            encoder=tiny_text(flavour, TEXT_WIDTH, read=VISION_WIDTH) if "text_encoder" in parts else None,
            decoder=tiny_text(flavour, TEXT_WIDTH, read=read) if "text_decoder" in parts else None,
            joint_dim=JOINT_DIM if "projections" in parts else None,
            matches="itm_head" in parts,
        )
    layout = {published_key(name): tensor for name, tensor in net.state_dict().items()}
    for prefix in (_ENCODER, _DECODER):
        if any(key.startswith(prefix) for key in layout):
            layout[f"{prefix}embeddings.position_ids"] = position_ids()
    if kind not in {"pretrain", "retrieval"}:
        return layout
    return layout | training_only(layout, _MOMENTUM, JOINT_DIM, "queue_ptr" if kind == "pretrain" else "ptr_queue")


def tied(state: Mapping[str, Tensor], kind: Kind) -> dict[str, Tensor]:
    """The same where tied keys share a tensor: the decoder's output with its words, and in pre-training with the encoder.

    There all but self-attention is shared (``models/blip_pretrain.py``, lines 269 to 339).
    """
    state = {key: torch.tensor(TEMPERATURE) if key == "temp" else value for key, value in state.items()}
    if "text_decoder" not in PARTS[kind]:
        return state
    if kind == "pretrain":
        for key in state:
            twin = key.replace(_DECODER, _ENCODER)
            if key.startswith(_DECODER) and ".attention." not in key and twin in state:
                state[key] = state[twin]
    head = "text_decoder.cls.predictions."
    state[f"{head}decoder.weight"] = state[f"{_DECODER}embeddings.word_embeddings.weight"]
    state[f"{head}decoder.bias"] = state[f"{head}bias"]
    return state
