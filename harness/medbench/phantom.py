"""Generated stand-ins for every dataset and checkpoint that a plugin can draw, in the official raw forms."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medbench.checkpoints import mark_phantom
from medbench.datasets import PHANTOM_MARK
from medbench.errors import UsageError
from medbench.files import write_bytes_atomically
from medbench.loading import resolve
from medbench.samples import PhantomSize
from medbench.settings import FILE_NAME
from medbench.specs import DatasetSpec, MethodSpec


@dataclass(frozen=True, slots=True)
class PhantomRequest:
    """Where, and what to draw."""

    folder: Path
    datasets: Sequence[DatasetSpec]
    methods: Sequence[MethodSpec]
    size: PhantomSize


def write_phantom(request: PhantomRequest, say: Callable[[str], None]) -> None:
    """Write ``data/<dataset>``, ``checkpoints/<method>`` and a ``medbench.toml`` that points at them.

    Raises `UsageError` where the folder already holds something that is not a phantom.
    """
    for spec in request.datasets:
        if spec.phantom is not None:
            _write_dataset(spec, request, say)
    checkpoints = request.folder / "checkpoints"
    for method in request.methods:
        if method.phantom is not None:
            paths = resolve(method.phantom, f"method '{method.id}'")(checkpoints, request.size.seed)
            for path in paths:
                mark_phantom(path)
                say(f"drew {path.relative_to(request.folder)} ({path.stat().st_size / 1e6:.0f} MB)")
    write_bytes_atomically(request.folder / FILE_NAME, _SETTINGS.encode())
    say(f"wrote {request.folder / FILE_NAME}")


def _write_dataset(spec: DatasetSpec, request: PhantomRequest, say: Callable[[str], None]) -> None:
    root = request.folder / "data" / spec.id
    if root.is_dir() and any(root.iterdir()) and not (root / PHANTOM_MARK).is_file():
        raise UsageError(f"{root} holds files that are not a phantom", fix="choose another folder")
    root.mkdir(parents=True, exist_ok=True)
    mark = {"phantom": True, "images": request.size.images, "side": request.size.side, "seed": request.size.seed}
    write_bytes_atomically(root / PHANTOM_MARK, json.dumps(mark).encode())
    resolve(str(spec.phantom), f"dataset '{spec.id}'")(root, request.size)
    say(f"drew {root.relative_to(request.folder)} ({request.size.images} images)")


_SETTINGS = """\
# Generated data and weights: numbers made with them say nothing of any method.
[paths]
data = "data"
checkpoints = "checkpoints"
cache = "cache"
results = "results"
"""
