"""What MedKLIP's files hold beside the network: the training script's container, and texts in the method's folder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from medbench.checkpoints import is_phantom
from medbench_methods.nets.loading import PARALLEL
from medbench_methods.nets.medklip_net import MedklipEncoder
from medbench_methods.nets.observation_books import (
    FINDINGS_BOOK,
    Shelf,
    drawn_vectors,
    keep_real_vectors,
    read_findings_book,
    write_vectors,
)
from medbench_methods.observations import VECTORS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from medbench.capabilities import LoadRequest

SHELF = Shelf("medklip", "MedKLIP", "MediaBrain-SJTU/MedKLIP")


def with_texts(encoder: Any, request: LoadRequest) -> MedklipEncoder:
    """The encoder that ``request`` asked for, its texts left for later; generated ones go with generated weights alone."""
    if not isinstance(encoder, MedklipEncoder) or request.checkpoint is None:
        raise TypeError(f"{type(encoder).__name__} was not read as MedKLIP")
    generated = is_phantom(request.checkpoint)
    encoder.read_book = partial(read_findings_book, SHELF, request.assets, phantom=generated)
    return encoder


def container(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """What the training script saves, DataParallel's prefix on every key of the model."""
    return {
        "model": {PARALLEL + key: tensor for key, tensor in state.items()},
        "optimizer": {},
        "lr_scheduler": {},
        "config": {"d_model": 256, "res_base_model": "resnet50", "N": 4, "H": 4},
        "epoch": 99,
    }


def write_drawn_texts(folder: Path, seed: int) -> Path:
    """Drawn vectors under ``folder``, so that no text encoder is needed; gives the file.

    Raises `UsageError` where vectors lie there that are not generated.
    """
    path = SHELF.folder(folder) / VECTORS
    keep_real_vectors(path)
    return write_vectors(path, drawn_vectors(FINDINGS_BOOK, seed), phantom=True)
