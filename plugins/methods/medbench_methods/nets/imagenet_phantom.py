"""Stand-ins for the ImageNet baselines: timm's whole architectures without classifier, as safetensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

from medbench.files import write_atomically
from medbench_methods.imagenet import SPEC
from medbench_methods.nets.drawing import draw_weights
from medbench_methods.nets.trunks import make_trunk

if TYPE_CHECKING:
    from pathlib import Path


def write_phantom(folder: Path, seed: int, *, variants: tuple[str, ...] | None = None) -> list[Path]:
    """Checkpoints with drawn weights; of the default variant where none is named."""
    chosen = [SPEC.variant(name) for name in variants or (SPEC.variants[0].id,)]
    return [_write(folder / one.checkpoint.filename, one.id, seed) for one in chosen if one.checkpoint is not None]


def _write(path: Path, variant: str, seed: int) -> Path:
    with torch.device("meta"):
        template = make_trunk(variant).net.state_dict()
    state = draw_weights(template, seed)
    write_atomically(path, lambda partial: save_file(state, partial))
    return path
