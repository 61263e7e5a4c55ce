"""The vectors of the texts that MedKLIP and MeDSLIP ask with: cached ones, or made from the user's file by Bio_ClinicalBERT.

A checkpoint holds neither the texts nor the text encoder. Beside it, in the method's folder of the checkpoints root, lie either
``books.safetensors`` (with a tensor ``pathology`` (75, 768)), or ``observation explanation.json`` of the release, whose 75
values in file order are the findings' texts. The encoder is Bio_ClinicalBERT from ``bio_clinicalbert`` in that folder or the
hub (`medbench_methods.nets.observation_text`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medbench.checkpoints import read_checkpoint
from medbench.errors import CheckpointError, MissingCheckpointError, UsageError
from medbench_methods.observations import ENCODER, FINDINGS, TEXTS, VECTORS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from medbench_methods.nets.observation_text import BookEncoder

WIDTH = 768
FINDINGS_BOOK = {"pathology": len(FINDINGS)}
"""The one book that every method asks with, and its number of texts."""
_PHANTOM = "medbench_phantom"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where a method's texts lie: ``<checkpoints>/<method>``; ``title`` and ``release`` (a repository) are for errors."""

    method: str
    title: str
    release: str

    @property
    def fix(self) -> str:
        """What mends texts that are not there."""
        return f"put the release's '{TEXTS}' there ({self.release}), or cached vectors as {VECTORS}"

    def folder(self, assets: Path | None) -> Path:
        """The method's folder. Raises `MissingCheckpointError` without a checkpoints root."""
        if assets is None:
            raise MissingCheckpointError(
                f"{self.method}'s texts lie beside its checkpoint, and no checkpoints folder is set"
            )
        return assets / self.method


def read_findings_book(shelf: Shelf, assets: Path | None, *, phantom: bool = False) -> Tensor:
    """The vectors of the 75 findings (75, 768), float32 on the CPU; cached ones come first. ``phantom`` allows generated ones.

    Raises `MissingCheckpointError` where there is neither file, and `CheckpointError` where one is damaged.
    """
    folder = shelf.folder(assets)
    if (folder / VECTORS).is_file():
        return read_vectors(folder / VECTORS, FINDINGS_BOOK, shelf, phantom=phantom)["pathology"]
    texts = read_texts(folder / TEXTS, shelf)
    return book_encoder(folder, assets).encode(texts)


def book_encoder(folder: Path, assets: Path | None) -> BookEncoder:
    """Bio_ClinicalBERT of a method's folder, or of the hub. Raises as `BookEncoder.load`."""
    from medbench_methods.nets.observation_text import BookEncoder

    return BookEncoder.load(folder / ENCODER, assets or folder.parent)


def read_texts(path: Path, shelf: Shelf) -> list[str]:
    """The 75 texts of ``observation explanation.json``, in file order; its keys name them, one of them misspelt.

    Raises `MissingCheckpointError` without the file and `CheckpointError` where it is not 75 texts in the published order.
    """
    if not path.is_file():
        raise MissingCheckpointError(f"no texts at {path}", fix=shelf.fix)
    try:
        entries = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=list)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} is not JSON ({error})", fix=shelf.fix) from error
    return _checked(path, entries, shelf)


def read_vectors(path: Path, books: Mapping[str, int], shelf: Shelf, *, phantom: bool = False) -> dict[str, Tensor]:
    """Cached vectors of these ``books``, each of so many texts. Raises `CheckpointError` for what is damaged or generated."""
    if is_phantom_file(path) and not phantom:
        raise CheckpointError(
            f"{path} holds generated vectors, beside a checkpoint that is not generated", fix=shelf.fix
        )
    tensors = read_checkpoint(path).tensors
    return {name: _vectors(path, tensors.get(name), name, count) for name, count in books.items()}


def write_vectors(path: Path, books: Mapping[str, Tensor], *, phantom: bool = False) -> Path:
    """Keep vectors as ``books.safetensors``, so that BERT is not needed again; gives ``path``.

    ``phantom`` marks them as generated: only a generated checkpoint goes with them.
    """
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    tensors = {name: book.contiguous() for name, book in books.items()}
    save_file(tensors, partial, metadata={_PHANTOM: "true"} if phantom else None)
    partial.replace(path)
    return path


def drawn_vectors(books: Mapping[str, int], seed: int) -> dict[str, Tensor]:
    """Vectors of unit variance, each text its own."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(count, WIDTH, generator=generator) for name, count in books.items()}


def keep_real_vectors(path: Path) -> None:
    """Raise `UsageError` where vectors lie that are not generated, before a phantom takes their place."""
    if path.is_file() and not is_phantom_file(path):
        raise UsageError(f"{path} is not a phantom", fix="choose another folder")


def is_phantom_file(path: Path) -> bool:
    """Whether vectors were written as generated. Raises `CheckpointError` for a file that is not safetensors."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return _PHANTOM in (file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is truncated or not safetensors ({error})", fix="write it again") from error


def _checked(path: Path, entries: Any, shelf: Shelf) -> list[str]:
    pairs = entries if isinstance(entries, list) else []
    if not all(isinstance(pair, tuple) and isinstance(pair[1], str) and pair[1].strip() for pair in pairs):
        raise CheckpointError(f"{path} does not map names to texts", fix=shelf.fix)
    if len(pairs) != len(FINDINGS):
        raise CheckpointError(
            f"{path} holds {len(pairs)} texts, not the {len(FINDINGS)} of {shelf.title}", fix=shelf.fix
        )
    for (name, _), expected in zip(pairs, FINDINGS, strict=True):
        # Only the place in the file tells which query a text is; an unknown name is a misspelling, as of pneumonia.
        if name != expected and name in FINDINGS:
            raise CheckpointError(
                f"{path} is not in the published order: '{name}' stands at '{expected}'", fix=shelf.fix
            )
    return [text for _, text in pairs]


def _vectors(path: Path, tensor: Tensor | None, name: str, count: int) -> Tensor:
    import torch

    shape = (count, WIDTH)
    if tensor is None or tuple(tensor.shape) != shape or not tensor.is_floating_point():
        found = "nothing" if tensor is None else f"{tensor.dtype} {tuple(tensor.shape)}"
        raise CheckpointError(f"{path}: '{name}' must hold floats of {shape}, it holds {found}", fix="write it again")
    if not torch.isfinite(tensor).all():
        raise CheckpointError(f"{path}: '{name}' holds values that are not finite", fix="write it again")
    return tensor.float()
