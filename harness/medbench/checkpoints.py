"""Loading checkpoints from strangers: tensors and plain values come in, code never runs.

`read_checkpoint` opens a file in any of the usual containers (torch zip, legacy torch pickle, safetensors) with torch's
weights-only unpickler. A phantom checkpoint carries an extra member in its zip archive, or a word in its safetensors header,
which torch ignores and which can be seen without torch.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medbench.errors import CheckpointError, MissingCheckpointError
from medbench.pickled import beyond_tensors, globals_of, within
from medbench.safetensors_header import METADATA, metadata_of, read_header, write_header
from medbench.untrusted import listed, shown

if TYPE_CHECKING:
    from torch import Tensor

CONTAINERS = ("state_dict", "model", "model_state")
"""The keys that trainers put a state_dict under, in the order in which they are looked for."""
_PHANTOM_MEMBER = "medbench_phantom.json"
_PHANTOM_WORD = "medbench_phantom"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint's tensors by key, and the plain values beside them (``hyper_parameters`` and the like)."""

    path: Path
    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]


def read_checkpoint(
    path: Path,
    *,
    state_dict_keys: tuple[str, ...] = CONTAINERS,
    allow: Sequence[Any] = (),
    inert: Sequence[str] = (),
) -> Checkpoint:
    """Read a checkpoint without executing anything it holds.

    ``state_dict_keys`` are the container keys to look under, as `find_state_dict` does.
    ``allow`` lists further classes that the method knows its files to hold, e.g. `plain_globals`. ``inert`` are import paths
    (`medbench.pickled.TRAINERS`) whose objects stand there as empty mappings: they are neither imported nor called.
    Raises `MissingCheckpointError` where there is no file and `CheckpointError` where it is truncated, holds objects
    that only code could rebuild, or has no tensors.
    """
    require_file(path, f"no checkpoint at {path}", fix="download it there or set its path in medbench.toml")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    content = read_content(path, allow=allow, inert=inert)
    under, tensors = find_state_dict(path, content, state_dict_keys)
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors, bare or under {' or '.join(state_dict_keys)}")
    return Checkpoint(path, tensors, beside(content, under, tensors))


def find_state_dict(
    path: Path, content: Mapping[Any, Any], keys: Sequence[str] = CONTAINERS
) -> tuple[str | None, dict[str, Tensor]]:
    """The first of ``keys`` that holds tensors, else None for the file's own mapping, and the tensors there, if any.

    Raises `CheckpointError` where one of them is no dense array: sparse, nested, or without values.
    """
    import torch

    under = next((key for key in keys if tensors_in(content.get(key))), None)
    tensors = tensors_in(content if under is None else content[under])
    odd = [key for key, one in tensors.items() if one.is_nested or one.layout != torch.strided or one.is_meta]
    if odd:
        raise CheckpointError(f"{path} holds tensors that are no dense arrays: {listed(odd)}")
    return under, tensors


def tensors_in(value: Any) -> dict[str, Tensor]:
    """The tensors of a mapping by those of its keys that are text; none where ``value`` is no mapping."""
    import torch

    items = value.items() if isinstance(value, Mapping) else ()
    return {key: one for key, one in items if isinstance(key, str) and isinstance(one, torch.Tensor)}


def beside(content: Mapping[Any, Any], under: str | None, tensors: Mapping[str, Tensor]) -> dict[Any, Any]:
    """What a file holds beside the ``tensors`` that `find_state_dict` finds ``under`` that key."""
    taken = tensors if under is None else (under,)
    return {name: value for name, value in content.items() if name not in taken}


def require_file(path: Path, absent: str, *, fix: str | None = None) -> None:
    """Raise `MissingCheckpointError`, which says ``absent``, or `CheckpointError` for what is no regular file."""
    if path.is_file():
        return
    if path.exists():
        raise CheckpointError(f"{path} is {'a folder' if path.is_dir() else 'no regular file'}, not a checkpoint")
    raise MissingCheckpointError(absent, fix=fix)


def read_content(path: Path, *, allow: Sequence[Any] = (), inert: Sequence[str] = ()) -> Mapping[str, Any]:
    """All that a torch file holds, its tensors left in the file where it is an archive. Raises as `read_checkpoint`."""
    content = _unpickle_weights_only(path, [*allow, *_stand_ins(path, inert)])
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not a mapping with a state_dict")
    return content


def plain_globals() -> list[Any]:
    """Classes that trainers leave among their hyper-parameters and that only hold values: numpy scalars, namespaces, paths."""
    import argparse
    import pathlib

    import numpy as np
    from numpy._core.multiarray import scalar

    dtypes = {type(np.dtype(code)) for code in np.typecodes["AllInteger"] + np.typecodes["AllFloat"] + "?"}
    return [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, *dtypes, argparse.Namespace, pathlib.PosixPath]


def sha256_of(path: Path) -> str:
    """The hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def mark_phantom(path: Path) -> None:
    """Mark a torch zip or safetensors checkpoint as generated; its tensors and container keys stay as they are.

    Raises `CheckpointError` for any other file.
    """
    if not zipfile.is_zipfile(path):
        _mark_safetensors(path)
        return
    with zipfile.ZipFile(path, "a") as archive:
        root = archive.namelist()[0].partition("/")[0]  # torch refuses a member outside its one folder
        member = zipfile.ZipInfo(f"{root}/{_PHANTOM_MEMBER}", (1980, 1, 1, 0, 0, 0))  # the same bytes at every draw
        archive.writestr(member, json.dumps({"phantom": True}))


def is_phantom(path: Path) -> bool:
    """Whether a checkpoint file was written by ``medbench phantom``. Needs no torch."""
    try:
        if not zipfile.is_zipfile(path):
            return _PHANTOM_WORD in metadata_of(path)
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False
    return any(name.endswith(f"/{_PHANTOM_MEMBER}") for name in names)


def _mark_safetensors(path: Path) -> None:
    header = read_header(path)
    if header is None:
        raise CheckpointError(f"{path} is no torch zip archive and no safetensors, so it cannot be marked as a phantom")
    write_header(path, header | {METADATA: {**metadata_of(path), _PHANTOM_WORD: "true"}})


class _Inert:
    """Takes the place of a class that is not imported; what it makes is the one mapping that torch's unpickler fills."""

    def __new__(cls, *_: object, **__: object) -> OrderedDict[Any, Any]:  # type: ignore[misc]
        return OrderedDict()


def _stand_ins(path: Path, inert: Sequence[str]) -> list[Any]:
    return [(_Inert, name) for name in globals_of(path) if within(name, inert)] if inert else []


def _unpickle_weights_only(path: Path, allow: Sequence[Any]) -> Any:
    import pickle

    import torch

    try:
        with torch.serialization.safe_globals(list(allow)):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        reason = str(error).lower()
        if any(sign in reason for sign in ("unsupported global", "weightsunpickler", "unsupported operand")):
            raise CheckpointError(
                f"{path} holds objects that only code could rebuild, so it was not loaded{_named(path, allow)}",
                fix="save its state_dict alone (tensors and plain values) and point medbench at that file",
            ) from error
        raise CheckpointError(
            f"{path} is not a readable checkpoint ({shown(error)})", fix="download it again"
        ) from error
    except Exception as error:  # the unpickler raises whatever it likes on bad bytes (struct.error, IndexError, ...)
        raise CheckpointError(
            f"{path} is truncated or not a checkpoint ({shown(error)})", fix="download it again"
        ) from error


def _named(path: Path, allow: Sequence[Any]) -> str:
    """``: posix.system, __main__.Trainer``: what a refused file would import beside tensors and what is allowed."""
    known = {one[1] if isinstance(one, tuple) else f"{one.__module__}.{one.__qualname__}" for one in allow}
    names = [name for name in beyond_tensors(globals_of(path)) if name not in known]
    return f": {listed(names)}" if names else ""


def _read_safetensors(path: Path) -> Checkpoint:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is truncated or not safetensors ({shown(error)})", fix="download it again"
        ) from error
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors")
    return Checkpoint(path, tensors, {})
