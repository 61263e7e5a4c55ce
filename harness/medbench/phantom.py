"""Generated stand-ins for every dataset and checkpoint that a plugin can draw, in the official raw forms."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medbench.checkpoints import is_phantom, mark_phantom
from medbench.datasets import PHANTOM_MARK
from medbench.errors import StoreError, UsageError
from medbench.files import write_bytes_atomically
from medbench.loading import resolve
from medbench.samples import PhantomSize
from medbench.settings import FILE_NAME
from medbench.specs import DatasetSpec, MethodSpec


@dataclass(frozen=True, slots=True)
class PhantomRequest:
    """Where, and what to draw; of a method those of its ``variants`` that are named by its id, else what it draws by itself."""

    folder: Path
    datasets: Sequence[DatasetSpec]
    methods: Sequence[MethodSpec]
    size: PhantomSize
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def write_phantom(request: PhantomRequest, say: Callable[[str], None]) -> None:
    """Write ``data/<dataset>``, ``checkpoints/<method>`` and a ``medbench.toml`` that points at them.

    Raises `UsageError` where the folder already holds something that is not a phantom.
    """
    datasets = [spec for spec in request.datasets if spec.phantom is not None]
    methods = [spec for spec in request.methods if spec.phantom is not None]
    _refuse_real_files(request.folder, datasets, methods)
    try:
        for dataset in datasets:
            _write_dataset(dataset, request, say)
        for method in methods:
            _write_checkpoints(method, request, say)
    except OSError as error:
        raise StoreError(f"cannot write in {request.folder}: {error.strerror}", fix="choose another folder") from error
    write_bytes_atomically(request.folder / FILE_NAME, _SETTINGS.encode())
    say(f"wrote {request.folder / FILE_NAME}")


def _refuse_real_files(folder: Path, datasets: Sequence[DatasetSpec], methods: Sequence[MethodSpec]) -> None:
    """Before anything is drawn: nothing that a person put there may be overwritten."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", fix="choose another folder")
    for spec in datasets:
        root = folder / "data" / spec.id
        if root.is_dir() and any(root.iterdir()) and not (root / PHANTOM_MARK).is_file():
            raise UsageError(f"{root} holds files that are not a phantom", fix="choose another folder")
    for method in methods:
        for variant in method.variants:
            path = folder / "checkpoints" / (variant.checkpoint.filename if variant.checkpoint else method.id)
            if path.is_file() and not is_phantom(path):
                raise UsageError(f"{path} is not a phantom", fix="choose another folder")
    settings = folder / FILE_NAME
    if settings.is_file() and not settings.read_text(encoding="utf-8", errors="replace").startswith(_HEADING):
        raise UsageError(f"{settings} was not written by medbench phantom", fix="choose another folder")


def _write_checkpoints(method: MethodSpec, request: PhantomRequest, say: Callable[[str], None]) -> None:
    checkpoints = request.folder / "checkpoints"
    draw = resolve(str(method.phantom), f"method '{method.id}'")
    named = request.variants.get(method.id, ())
    chosen = {"variants": named} if named and "variants" in inspect.signature(draw).parameters else {}
    for path in draw(checkpoints, request.size.seed, **chosen):
        mark_phantom(path)
        say(f"drew {path.relative_to(request.folder)} ({path.stat().st_size / 1e6:.0f} MB)")


def _write_dataset(spec: DatasetSpec, request: PhantomRequest, say: Callable[[str], None]) -> None:
    root = request.folder / "data" / spec.id
    root.mkdir(parents=True, exist_ok=True)
    mark = {"phantom": True, "images": request.size.images, "side": request.size.side, "seed": request.size.seed}
    write_bytes_atomically(root / PHANTOM_MARK, json.dumps(mark).encode())
    resolve(str(spec.phantom), f"dataset '{spec.id}'")(root, request.size)
    say(f"drew {root.relative_to(request.folder)} ({request.size.images} images)")


_HEADING = "# Generated data and weights: numbers made with them say nothing of any method."
_SETTINGS = f"""\
{_HEADING}
[paths]
data = "data"
checkpoints = "checkpoints"
cache = "cache"
results = "results"
"""
