"""What a checkpoint's file holds, told without a copy of its tensors and without running anything."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medbench.checkpoints import beside, find_state_dict, is_phantom, plain_globals, read_content, tensors_in
from medbench.errors import CheckpointError
from medbench.file_forms import Form, form_of
from medbench.layouts import Shape
from medbench.pickled import TRAINERS, globals_of, within
from medbench.untrusted import listed, shown

if TYPE_CHECKING:
    from torch import Tensor

_SAFETENSORS_TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A checkpoint's file: its form and size in bytes, its tensors' shapes and types by key, and what stands beside them.

    ``under`` is the key that the tensors lie under, None where they are the file's own mapping. ``not_floating`` are keys of
    tensors of whole or complex numbers, which no method takes for weights. ``beside`` describes each further value in a few
    words by its name. ``unread`` are import paths of trainers' objects, which are passed over.
    """

    path: Path
    size: int
    form: Form
    phantom: bool
    under: str | None
    shapes: Mapping[str, Shape]
    dtypes: Mapping[str, int]
    not_floating: frozenset[str]
    beside: Mapping[str, str]
    unread: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """Numbers in all tensors."""
        return count_numbers(self.shapes, self.shapes)

    @property
    def trainer(self) -> str:
        """``Lightning 1.5.10``, or nothing."""
        version = self.beside.get("pytorch-lightning_version")
        return f"Lightning {version}" if version else ""


def read_contents(path: Path) -> Contents:
    """Look into a checkpoint's file.

    Raises `MissingCheckpointError` where there is none, and `CheckpointError`, which says what it is, where it is no
    checkpoint, is truncated, holds what only code could rebuild, or holds no tensors.
    """
    form = form_of(path)
    if form == "safetensors":
        return _of_safetensors(path)
    unread = tuple(name for name in globals_of(path) if within(name, TRAINERS) and not name.startswith("builtins."))
    content = read_content(path, allow=plain_globals(), inert=TRAINERS)
    under, tensors = _state_dict(path, content)
    return Contents(
        path=path,
        size=path.stat().st_size,
        form=form,
        phantom=is_phantom(path),
        under=under,
        shapes={key: tuple(one.shape) for key, one in tensors.items()},
        dtypes=Counter(str(one.dtype).removeprefix("torch.") for one in tensors.values()),
        not_floating=frozenset(key for key, one in tensors.items() if not one.is_floating_point()),
        beside={_name(name): _described(value) for name, value in beside(content, under, tensors).items()},
        unread=unread,
    )


def count_numbers(keys: Iterable[str], shapes: Mapping[str, Shape]) -> int:
    """How many numbers the tensors of these keys hold."""
    return sum(math.prod(shapes[key]) for key in keys if key in shapes)


def _of_safetensors(path: Path) -> Contents:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 - no mapping
            shapes = {key: tuple(one.get_shape()) for key, one in slices.items()}
            types = {key: one.get_dtype() for key, one in slices.items()}
            notes = {name: shown(value, 60) for name, value in (file.metadata() or {}).items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is truncated or not safetensors ({shown(error)})", fix="download it again"
        ) from error
    if not shapes:
        raise CheckpointError(f"{path} holds no tensors")
    return Contents(
        path=path,
        size=path.stat().st_size,
        form="safetensors",
        phantom=is_phantom(path),
        under=None,
        shapes=shapes,
        dtypes=Counter(_SAFETENSORS_TYPES.get(one, one.lower()) for one in types.values()),
        not_floating=frozenset(key for key, one in types.items() if not one.startswith(("F", "BF"))),
        beside=notes,
        unread=(),
    )


def _state_dict(path: Path, content: Mapping[Any, Any]) -> tuple[str | None, dict[str, Tensor]]:
    """The tensors where methods look for them, else those of the mapping that holds the most."""
    found = find_state_dict(path, content)
    if found[1]:
        return found
    counts = {name: len(tensors_in(value)) for name, value in content.items() if isinstance(name, str)}
    fullest = max(counts, key=lambda one: counts[one], default="")
    if not counts.get(fullest):
        raise CheckpointError(f"{path} holds no tensors, but {listed(list(map(_name, content))) or 'nothing'}")
    return find_state_dict(path, content, (fullest,))


def _name(key: Any) -> str:
    """A key that is no text is told by its kind: to spell out a tuple may take for ever."""
    return key if isinstance(key, str) else f"a {type(key).__name__}"


def _described(value: Any) -> str:
    """A value beside the weights in a few words: a mapping by its names."""
    if value is None or isinstance(value, str | int | float):
        return shown(value, 60)
    if isinstance(value, Mapping):
        tensors = len(tensors_in(value))
        return f"{tensors:,} tensors" if tensors else listed(list(map(_name, value)), 12) or "empty, or not read"
    if isinstance(value, Sequence | set):
        return f"{len(value):,} items"
    inner = vars(value) if hasattr(value, "__dict__") else {}
    return listed(list(map(_name, inner)), 12) or type(value).__name__
