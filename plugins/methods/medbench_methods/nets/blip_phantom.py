"""Generated checkpoints of BLIP's family: the published container and every published key, of nets of two thin layers."""

from __future__ import annotations

import string
from collections import OrderedDict
from typing import TYPE_CHECKING

import torch
from transformers import BlipTextConfig, BlipVisionConfig, BlipVisionModel

from medbench_methods.nets.blip_keys import PARTS, VISION_EPS, Kind, published_key
from medbench_methods.nets.blip_net import BlipNet
from medbench_methods.nets.drawing import draw_weights

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from medbench_methods.nets.blip_flavour import BlipFlavour

LAYERS = 2
VISION_WIDTH = 128
TEXT_WIDTH = 16
JOINT_DIM = 32
POSITIONS = 512
QUEUE = 8
TEMPERATURE = 0.07
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
        path.parent.mkdir(parents=True, exist_ok=True)
        state = tied(draw_weights(official_layout(flavour, kind), seed), kind)
        partial = path.with_suffix(".partial")  # a file under its final name is always whole
        torch.save(
            {"model": OrderedDict(state), "optimizer": {}, "config": {"image_size": IMAGE_SIZE}, "epoch": 59}, partial
        )
        partial.replace(path)
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
            BlipVisionModel(_vision_config()),
            encoder=_text_config(flavour, VISION_WIDTH) if "text_encoder" in parts else None,
            decoder=_text_config(flavour, read) if "text_decoder" in parts else None,
            joint_dim=JOINT_DIM if "projections" in parts else None,
            matches="itm_head" in parts,
        )
    layout = {published_key(name): tensor for name, tensor in net.state_dict().items()}
    for prefix in (_ENCODER, _DECODER):
        if any(key.startswith(prefix) for key in layout):
            layout[f"{prefix}embeddings.position_ids"] = torch.empty(1, POSITIONS, dtype=torch.int64, device="meta")
    return layout | _training_only(layout, kind)


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


def _training_only(layout: Mapping[str, Tensor], kind: Kind) -> dict[str, Tensor]:
    """Momentum copies, queues and the temperature, where this kind of file has them."""
    if kind not in {"pretrain", "retrieval"}:
        return {}
    copies = {key.replace(".", "_m.", 1): tensor for key, tensor in layout.items() if key.startswith(_MOMENTUM)}
    queue = torch.empty(JOINT_DIM, QUEUE, device="meta")
    pointer = torch.empty(1, dtype=torch.int64, device="meta")
    queues = {"temp": torch.empty((), device="meta"), "image_queue": queue, "text_queue": queue}
    if kind == "pretrain":
        return copies | queues | {"queue_ptr": pointer}
    return copies | queues | {"idx_queue": pointer.expand(1, QUEUE), "ptr_queue": pointer}


def _vision_config() -> BlipVisionConfig:
    return BlipVisionConfig(
        hidden_size=VISION_WIDTH,
        intermediate_size=2 * VISION_WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        image_size=IMAGE_SIZE,
        patch_size=16,
        layer_norm_eps=VISION_EPS,
    )


def _text_config(flavour: BlipFlavour, read: int) -> BlipTextConfig:
    return BlipTextConfig(
        vocab_size=flavour.vocabulary_size,
        hidden_size=TEXT_WIDTH,
        encoder_hidden_size=read,
        intermediate_size=2 * TEXT_WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=1,
        max_position_embeddings=POSITIONS,
        pad_token_id=flavour.ids.pad,
        is_decoder=True,
    )
