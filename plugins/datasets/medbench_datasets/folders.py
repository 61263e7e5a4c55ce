"""The files below a folder as a user's disk has them: linked from elsewhere, and beside what operating systems leave."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CLUTTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


def is_clutter(name: str) -> bool:
    """Whether a file or folder is hidden (``.DS_Store``, ``._image.png``) or one that Windows or macOS adds."""
    return name.startswith(".") or name.casefold() in _CLUTTER


def is_there(path: Path) -> bool:
    """Whether a path leads to a file; no path that a table gives is too long or too odd to be asked about."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises on a name that is too long


def files_below(root: Path, folder: str = "") -> Iterator[str]:
    """Files at any depth of ``root/folder``, as paths from ``root`` with '/'; clutter is passed over.

    Sorted, a folder's files before its sub-folders. Links are followed, and each real folder is entered once.
    """
    visited: set[str] = set()
    for place, folders, files in os.walk(root / folder, followlinks=True):
        real = os.path.realpath(place)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not is_clutter(name))
        below = os.path.relpath(place, root).replace(os.sep, "/")
        prefix = "" if below == "." else f"{below}/"
        yield from (prefix + name for name in sorted(files) if not is_clutter(name))


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in a folder, links to folders among them, sorted; without clutter."""
    return sorted(path.name for path in folder.iterdir() if not is_clutter(path.name) and path.is_dir())
