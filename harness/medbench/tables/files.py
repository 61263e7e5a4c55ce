"""The folder of tables: safe names, nothing of others overwritten, nothing of ours left behind."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from medbench.errors import StoreError, UsageError
from medbench.files import write_bytes_atomically
from medbench.tables.comparisons import Comparison
from medbench.tables.text import MARK, MARKDOWN_MARK

_PLAIN = re.compile(r"[a-z0-9][a-z0-9._]*(-[a-z0-9._]+)*\Z")
_HEAD = 1 << 16
"""Bytes within which the mark stands, whatever the kind of file."""


def stem_of(comparison: Comparison) -> str:
    """``siim-linear--standard--official--1a2b3c4d``, the start of a comparison's file names.

    Where a part is no plain name it is made one, and a digest of the whole keeps the file apart.
    """
    heading = comparison.heading
    parts = [heading.task, heading.recipe, heading.split, heading.data, *(["phantom"] if heading.phantom else [])]
    stem = "--".join(parts)
    if all(map(_PLAIN.match, parts)) and len(stem) <= 150:
        return stem
    safe = "--".join(re.sub(r"[^a-z0-9._]+", "-", part.lower()).strip("-.")[:40] or "x" for part in parts)
    return f"{safe}--{hashlib.sha256(repr(heading).encode()).hexdigest()[:8]}"


def write_files(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write ``files`` into ``folder``, each at once; gives the files of a former run that it removed.

    Raises `UsageError` before anything is written where one would go over a file that is not ours, `StoreError` where the
    folder cannot be read or written.
    """
    foreign = [folder / name for name in sorted(files) if (folder / name).exists() and not _is_ours(folder / name)]
    if foreign:
        raise UsageError(f"{foreign[0]} was not made by medbench tables", fix="choose another --out, or move it away")
    for name, content in sorted(files.items()):
        write_bytes_atomically(folder / name, content)
    stale = [path for path in sorted(folder.iterdir()) if path.name not in files and _is_ours(path)]
    for path in stale:
        path.unlink()
    return stale


def _is_ours(path: Path) -> bool:
    """Whether the file carries our mark, where its kind carries it."""
    if path.suffix not in {".md", ".csv", ".png"} or path.name.startswith(".") or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}", fix="choose another --out") from error
    if path.suffix == ".md":
        return head.startswith(MARKDOWN_MARK.encode())
    if path.suffix == ".png":
        return b"tEXtSoftware\0" + MARK.encode() in head
    header, row = [*head.split(b"\n"), b""][:2]
    return header.endswith(b",made_by") and row.endswith(MARK.encode())
