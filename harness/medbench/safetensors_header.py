"""The header of a safetensors file, without torch: what it says of the tensors, and plain words beside them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medbench.files import write_atomically

METADATA = "__metadata__"
"""The key of a header under which strings by name stand; all others are tensors."""
_LENGTH = 8
_LONGEST = 16 << 20  # the largest published models have headers of some 100 kB


def read_header(path: Path) -> dict[str, Any] | None:
    """The header, a JSON object; None for a file that is no safetensors file, or whose header is over 16 MiB.

    Raises `OSError`.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        if not 0 < length <= min(_LONGEST, path.stat().st_size - _LENGTH):
            return None
        text = file.read(length)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return header if isinstance(header, dict) else None


def metadata_of(path: Path) -> Mapping[str, str]:
    """The strings beside the tensors; none for a file that is no safetensors file. Raises `OSError`."""
    header = read_header(path)
    found = None if header is None else header.get(METADATA)
    return found if isinstance(found, dict) else {}


def write_header(path: Path, header: Mapping[str, Any]) -> None:
    """Give a safetensors file another header, its tensors' bytes as they are; a killed process leaves the old file.

    Raises `StoreError` where the folder takes no other file of that size.
    """
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _LENGTH)  # the format asks for tensors that are aligned

    def write(partial: Path) -> None:
        with path.open("rb") as old, partial.open("wb") as new:
            old.seek(_LENGTH + int.from_bytes(old.read(_LENGTH), "little"))
            new.write(len(text).to_bytes(_LENGTH, "little") + text)
            shutil.copyfileobj(old, new, 1 << 20)

    write_atomically(path, write)
