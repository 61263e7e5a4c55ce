"""A CheXzero of small towers with drawn weights, in the form of the release: a state_dict and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from medbench.files import write_atomically
from medbench_methods.nets.chexzero_layout import Sizes, needed
from medbench_methods.nets.drawing import draw_weights

if TYPE_CHECKING:
    from pathlib import Path

_SIZES = Sizes(width=128, layers=2, text_width=64, text_layers=2, joint=64)


def write_chexzero(path: Path, seed: int) -> Path:
    """Write the file under ``path``."""
    template = {name: torch.empty(shape, device="meta") for name, shape in needed(_SIZES)}
    state = draw_weights(template, seed)
    write_atomically(path, lambda partial: torch.save(state, partial))
    return path
