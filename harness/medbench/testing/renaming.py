"""A checkpoint in which every other tensor has another name: what a lenient loader takes for its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medbench.checkpoints import plain_globals

PREFIX = "medbench_renamed."


def rename_half(good: Path, path: Path) -> None:
    """Write to ``path`` what ``good`` holds, every other tensor renamed. Raises what torch does."""
    import torch

    if good.suffix == ".safetensors":
        from safetensors.torch import load_file, save_file

        save_file(_renamed(load_file(good)), path)
        return
    with torch.serialization.safe_globals(plain_globals()):
        content = torch.load(good, map_location="cpu", weights_only=True)
    torch.save(_renamed(content), path)


def _renamed(content: Any) -> Any:
    """The same at every depth of mappings; the first of its tensors is among those renamed."""
    import torch

    if not isinstance(content, Mapping):
        return content
    found: dict[Any, Any] = {}
    tensors = 0
    for name, value in content.items():
        tensor = isinstance(value, torch.Tensor)
        found[f"{PREFIX}{name}" if tensor and tensors % 2 == 0 else name] = _renamed(value)
        tensors += tensor
    return found
