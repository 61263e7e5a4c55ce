"""What generated checkpoints of BLIP's family have in common: thin nets of two layers, training's own tensors, whole files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from transformers import BlipTextConfig, BlipVisionConfig

from medbench_methods.nets.blip_flavour import POSITIONS
from medbench_methods.nets.blip_keys import VISION_EPS, heads_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from medbench_methods.nets.blip_flavour import BlipFlavour

LAYERS = 2
QUEUE = 8
TEMPERATURE = 0.07


def tiny_vision(width: int, size: int) -> BlipVisionConfig:
    """An image encoder for ``size`` pixels a side."""
    return BlipVisionConfig(
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=LAYERS,
        num_attention_heads=heads_of(width),
        image_size=size,
        patch_size=16,
        layer_norm_eps=VISION_EPS,
    )


def tiny_text(flavour: BlipFlavour, width: int, *, read: int | None) -> BlipTextConfig:
    """A text net whose cross-attention reads states of width ``read``; without one where that is None."""
    return BlipTextConfig(
        vocab_size=flavour.vocabulary_size,
        hidden_size=width,
        encoder_hidden_size=read or width,
        intermediate_size=2 * width,
        num_hidden_layers=LAYERS,
        num_attention_heads=heads_of(width),
        max_position_embeddings=POSITIONS,
        pad_token_id=flavour.ids.pad,
        is_decoder=read is not None,
    )


def position_ids() -> Tensor:
    """The index that the releases store with each text net."""
    return integers(1, POSITIONS)


def training_only(
    layout: Mapping[str, Tensor], copied: tuple[str, ...], joint: int, pointer: Literal["queue_ptr", "ptr_queue"]
) -> dict[str, Tensor]:
    """Momentum copies of what starts with ``copied``, queues and temperature; ``queue_ptr`` is pre-training's name."""
    copies = {key.replace(".", "_m.", 1): tensor for key, tensor in layout.items() if key.startswith(copied)}
    queue = torch.empty(joint, QUEUE, device="meta")
    queues = {"temp": torch.empty((), device="meta"), "image_queue": queue, "text_queue": queue, pointer: integers(1)}
    return copies | queues | ({} if pointer == "queue_ptr" else {"idx_queue": integers(1, QUEUE)})


def integers(*shape: int) -> Tensor:
    """A whole-number tensor on the meta device."""
    return torch.empty(shape, dtype=torch.int64, device="meta")


def save(content: Mapping[str, Any], path: Path) -> None:
    """Write ``content``; a file under its final name is always whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(dict(content), partial)
    partial.replace(path)
