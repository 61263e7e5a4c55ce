"""The texts that MeDSLIP asks with, as vectors: those of the 75 findings, and of the 51 places.

They lie in ``<checkpoints>/medslip`` as `medbench_methods.nets.observation_books` says; ``books.safetensors`` holds a tensor
``anatomy`` (51, 768) too.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medbench.checkpoints import sha256_of
from medbench_methods.nets import observation_books
from medbench_methods.nets.medslip_findings import PLACES
from medbench_methods.nets.observation_books import FINDINGS_BOOK, Shelf, book_encoder, read_vectors, write_vectors
from medbench_methods.observations import TEXTS, VECTORS

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

SHELF = Shelf("medslip", "MeDSLIP", "Shef-AIRE/MeDSLIP")
BOOKS = FINDINGS_BOOK | {"anatomy": len(PLACES)}
# First and last digits of the two files of the release; they differ in the dashes and quotes of three texts.
_KNOWN = {"zero-shot": ("31bf60f7", "dd7b24"), "pre-training": ("5529e9a2", "8f42e")}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Books:
    """The queries' texts as vectors: ``pathology`` (75, 768) and ``anatomy`` (51, 768), float32 on the CPU."""

    pathology: Tensor
    anatomy: Tensor


def read_books(assets: Path | None, *, phantom: bool = False) -> Books:
    """The books of a checkpoints root; cached vectors come first. ``phantom`` allows generated ones.

    Raises `MissingCheckpointError` where there is neither file, and `CheckpointError` where one is damaged.
    """
    folder = SHELF.folder(assets)
    if (folder / VECTORS).is_file():
        return Books(**read_vectors(folder / VECTORS, BOOKS, SHELF, phantom=phantom))
    texts = read_texts(folder / TEXTS)
    encoder = book_encoder(folder, assets)
    return Books(encoder.encode(texts), encoder.encode(place_texts()))


def write_books(path: Path, books: Books, *, phantom: bool = False) -> Path:
    """Keep vectors as ``books.safetensors``, so that BERT is not needed again; gives ``path``.

    ``phantom`` marks them as generated: only a generated checkpoint goes with them.
    """
    return write_vectors(path, {"pathology": books.pathology, "anatomy": books.anatomy}, phantom=phantom)


def place_texts() -> list[str]:
    """The 51 sentences of the anatomy book, as the release builds them."""
    return [f"It is located at {place}. " for place in PLACES]


def read_texts(path: Path) -> list[str]:
    """The 75 texts of ``observation explanation.json``, in file order.

    Says in the log which of the release's two files it is. Raises as `medbench_methods.nets.observation_books.read_texts`.
    """
    texts = observation_books.read_texts(path, SHELF)
    _tell_version(path)
    return texts


def _tell_version(path: Path) -> None:
    digest = sha256_of(path)
    version = next((name for name, (head, tail) in _KNOWN.items() if _is(digest, head, tail)), None)
    if version == "zero-shot":
        _log.info("%s is the file of the release's zero-shot evaluations", path.name)
    elif version is not None:
        _log.warning(
            "%s is the release's %s file: three texts are worded otherwise than in its evaluations", path, version
        )
    else:
        _log.warning("%s is neither of the release's two files: its results are not the published method's", path)


def _is(digest: str, head: str, tail: str) -> bool:
    return digest.startswith(head) and digest.endswith(tail)
