"""The texts that MeDSLIP asks with, as vectors: cached ones, or made from the user's file by Bio_ClinicalBERT.

A checkpoint holds neither the texts nor the text encoder. Beside it, in ``<checkpoints>/medslip``, lie either
``books.safetensors`` (tensors ``pathology`` (75, 768) and ``anatomy`` (51, 768)), or ``observation explanation.json`` of
the MeDSLIP release, whose 75 values in file order are the findings' texts. The encoder is Bio_ClinicalBERT from
``<checkpoints>/medslip/bio_clinicalbert`` or the hub. Texts are read as the release reads them: lower-cased, at most 64
tokens, [CLS] in front and no [SEP]; a text's vector is the last layer's [CLS].
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medbench.checkpoints import read_checkpoint, sha256_of
from medbench.errors import CheckpointError, MissingCheckpointError
from medbench_methods.nets.medslip_findings import FINDINGS, PLACES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

HUB_ID = "emilyalsentzer/Bio_ClinicalBERT"
FOLDER = "medslip"
VECTORS = "books.safetensors"
TEXTS = "observation explanation.json"
ENCODER = "bio_clinicalbert"
MAX_TOKENS = 64
WIDTH = 768
_FETCH = f"put the release's '{TEXTS}' there (Shef-AIRE/MeDSLIP), or cached vectors as {VECTORS}"
# First and last digits of the two files of the release; they differ in the dashes and quotes of three texts.
_KNOWN = {"zero-shot": ("31bf60f7", "dd7b24"), "pre-training": ("5529e9a2", "8f42e")}

_PHANTOM = "medbench_phantom"
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
    if assets is None:
        raise MissingCheckpointError("medslip's texts lie beside its checkpoint, and no checkpoints folder is set")
    folder = assets / FOLDER
    if (folder / VECTORS).is_file():
        return _read_vectors(folder / VECTORS, phantom)
    texts = read_texts(folder / TEXTS)

    from medbench_methods.nets.medslip_text import BookEncoder

    encoder = BookEncoder.load(folder / ENCODER, assets)
    return Books(encoder.encode(texts), encoder.encode(place_texts()))


def write_books(path: Path, books: Books, *, phantom: bool = False) -> Path:
    """Keep vectors as ``books.safetensors``, so that BERT is not needed again; gives ``path``.

    ``phantom`` marks them as generated: only a generated checkpoint goes with them.
    """
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    tensors = {"pathology": books.pathology.contiguous(), "anatomy": books.anatomy.contiguous()}
    save_file(tensors, partial, metadata={_PHANTOM: "true"} if phantom else None)
    partial.replace(path)
    return path


def is_phantom_file(path: Path) -> bool:
    """Whether vectors were written as generated. Raises `CheckpointError` for a file that is not safetensors."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return _PHANTOM in (file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is truncated or not safetensors ({error})", fix="write it again") from error


def place_texts() -> list[str]:
    """The 51 sentences of the anatomy book, as the release builds them."""
    return [f"It is located at {place}. " for place in PLACES]


def read_texts(path: Path) -> list[str]:
    """The 75 texts of ``observation explanation.json``, in file order; its keys name them, one of them misspelt.

    Says in the log which of the release's two files it is. Raises `MissingCheckpointError` without the file and
    `CheckpointError` where it is not 75 texts in the published order.
    """
    if not path.is_file():
        raise MissingCheckpointError(f"no texts at {path}", fix=_FETCH)
    try:
        entries = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=list)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} is not JSON ({error})", fix=_FETCH) from error
    texts = _checked(path, entries)
    _tell_version(path)
    return texts


def _checked(path: Path, entries: Any) -> list[str]:
    pairs = entries if isinstance(entries, list) else []
    if not all(isinstance(pair, tuple) and isinstance(pair[1], str) and pair[1].strip() for pair in pairs):
        raise CheckpointError(f"{path} does not map names to texts", fix=_FETCH)
    if len(pairs) != len(FINDINGS):
        raise CheckpointError(f"{path} holds {len(pairs)} texts, not the {len(FINDINGS)} of MeDSLIP", fix=_FETCH)
    for (name, _), expected in zip(pairs, FINDINGS, strict=True):
        # Only the place in the file tells which query a text is; an unknown name is a misspelling, as of pneumonia.
        if name != expected and name in FINDINGS:
            raise CheckpointError(f"{path} is not in the published order: '{name}' stands at '{expected}'", fix=_FETCH)
    return [text for _, text in pairs]


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


def _read_vectors(path: Path, phantom: bool) -> Books:
    if is_phantom_file(path) and not phantom:
        raise CheckpointError(f"{path} holds generated vectors, beside a checkpoint that is not generated", fix=_FETCH)
    tensors = read_checkpoint(path).tensors
    return Books(
        _vectors(path, tensors.get("pathology"), "pathology", FINDINGS),
        _vectors(path, tensors.get("anatomy"), "anatomy", PLACES),
    )


def _vectors(path: Path, tensor: Tensor | None, name: str, entries: Sequence[str]) -> Tensor:
    import torch

    shape = (len(entries), WIDTH)
    if tensor is None or tuple(tensor.shape) != shape or not tensor.is_floating_point():
        found = "nothing" if tensor is None else f"{tensor.dtype} {tuple(tensor.shape)}"
        raise CheckpointError(f"{path}: '{name}' must hold floats of {shape}, it holds {found}", fix="write it again")
    if not torch.isfinite(tensor).all():
        raise CheckpointError(f"{path}: '{name}' holds values that are not finite", fix="write it again")
    return tensor.float()
