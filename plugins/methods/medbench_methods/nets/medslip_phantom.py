"""A generated MeDSLIP checkpoint in the published container and key layout, and generated vectors of its texts."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import torch

from medbench_methods.nets.drawing import draw_weights
from medbench_methods.nets.medslip_books import BOOKS, SHELF, Books, write_books
from medbench_methods.nets.medslip_net import MedslipNet
from medbench_methods.nets.observation_books import drawn_vectors, keep_real_vectors
from medbench_methods.nets.query_decoder import QUERY_WIDTH, TEXT_WIDTH
from medbench_methods.observations import VECTORS

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

FILE = "MeDSLIP_resnet50.pth"
_HEAD_STANDS_BEFORE = {"pathology": "res_features.0.weight", "anatomy": "res_l1_anatomy.weight"}
_NORMS = ("decoder_anatomy.norm.", "decoder_pathology.norm.")


def write_medslip(folder: Path, seed: int) -> list[Path]:
    """Write the checkpoint (85 MB) and ``books.safetensors`` under ``folder``; gives the checkpoint's path.

    The vectors are what `medbench_methods.nets.medslip_books.read_books` finds first, so that no text encoder is needed.
    Raises `UsageError` where vectors lie there that are not generated.
    """
    path, vectors = SHELF.folder(folder) / FILE, SHELF.folder(folder) / VECTORS
    keep_real_vectors(vectors)
    path.parent.mkdir(parents=True, exist_ok=True)
    container = {
        "model": OrderedDict(_draw(seed)),
        "optimizer": {},
        "lr_scheduler": {},
        "config": {"d_model": QUERY_WIDTH, "res_base_model": "resnet50", "N": 4, "H": 4},
        "epoch": 99,
    }
    partial = path.with_suffix(".partial")  # a file under its final name is always whole
    torch.save(container, partial)
    partial.replace(path)
    write_books(vectors, drawn_books(seed), phantom=True)
    return [path]


def drawn_books(seed: int) -> Books:
    """Vectors of unit variance, each text its own."""
    return Books(**drawn_vectors(BOOKS, seed))


def official_layout() -> dict[str, Tensor]:
    """Every key of the published state_dict in its order, with a tensor on the meta device of its shape and type."""
    layout: dict[str, Tensor] = {}
    for key, value in _on_meta().state_dict().items():
        for stream, next_key in _HEAD_STANDS_BEFORE.items():
            if key == next_key:
                layout[f"cl_fc_{stream}.weight"] = torch.empty(TEXT_WIDTH, QUERY_WIDTH, device="meta")
                layout[f"cl_fc_{stream}.bias"] = torch.empty(TEXT_WIDTH, device="meta")
        layout[key] = value
    return layout


def _on_meta() -> MedslipNet:
    with torch.device("meta"):
        return MedslipNet()


def _draw(seed: int) -> dict[str, Tensor]:
    """Drawn weights; the two names of the decoders' one norm share a tensor, as `torch.save` keeps them."""
    state = draw_weights(official_layout(), seed)
    anatomy, pathology = _NORMS
    return state | {pathology + name: state[anatomy + name] for name in ("weight", "bias")}
