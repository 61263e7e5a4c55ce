"""The records that BASE and NEW name: a record file, a folder of records, or a git revision, read without a checkout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from medbench import records
from medbench.compare import revisions
from medbench.errors import StoreError, UsageError
from medbench.leaderboard.text import clean
from medbench.records import Record
from medbench.store import Loaded

FOLDERS = ("leaderboards/records", "results")
"""Where a revision's records are looked for when no path is given."""

_LAYOUTS = ("*/*/*.json", "records/*/*/*.json", "*/*.json", "*.json")
"""A results folder, the folder above one, one task's folder, one method's: the first that fits."""


@dataclass(frozen=True, slots=True)
class Source:
    """One side: ``name`` as the user wrote it, its records, and what could not be read (one line each)."""

    name: str
    records: tuple[Record, ...]
    problems: tuple[str, ...]


def read_source(name: str, folder: Path) -> Source:
    """The records of ``name``, seen from ``folder``: a path that exists wins over a revision of that name.

    ``REV`` stands for `FOLDERS` in that revision, ``REV:PATH`` for a file or folder in it. Raises `UsageError` where nothing
    has that name, or where it holds no record at all.
    """
    path = folder / name
    if name and _exists(path):
        loaded = _read([(str(found), found) for found in ([path] if path.is_file() else _files_in(path))])
    else:
        loaded = _read_revision(name, folder)
    if not loaded.records and not loaded.problems:
        raise UsageError(f"there is no record in '{clean(name)}'", fix="name a record, a results folder or a revision")
    return Source(name, loaded.records, loaded.problems)


def _exists(path: Path) -> bool:
    """False too for what no path can be (a null byte, a name that is too long)."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _files_in(folder: Path) -> list[Path]:
    for layout in _LAYOUTS:
        found = [path for path in sorted(folder.glob(layout)) if not _hidden(path.relative_to(folder).parts)]
        if found:
            return found
    return []


def _read(files: Sequence[tuple[str, Path]]) -> Loaded:
    contents: list[tuple[str, bytes]] = []
    unread: list[str] = []
    for where, path in files:
        try:
            contents.append((where, path.read_bytes()))
        except OSError as error:
            unread.append(f"cannot read {where}: {error.strerror}")
    return _decode(contents, unread)


def _read_revision(name: str, folder: Path) -> Loaded:
    revision, colon, path = name.partition(":")
    tree = revisions.open_tree(revision, [path] if colon else FOLDERS, name, folder)
    if tree.kind == "blob":
        chosen: Iterable[tuple[str, str]] = [(tree.path, tree.object_id)]
    else:
        chosen = _chosen(revisions.list_blobs(tree.object_id, folder))
    wanted = {f"{revision}:{file}": object_id for file, object_id in chosen}
    blobs = revisions.read_blobs(list(wanted.values()), folder)
    return _decode(zip(wanted, blobs, strict=True), [])


def _chosen(blobs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """As `_files_in`, of the (path, object) pairs of a tree."""
    for layout in _LAYOUTS:
        depth = layout.count("/")
        found = [
            (path, object_id)
            for path, object_id in sorted(blobs)
            if path.count("/") == depth and PurePosixPath(path).match(layout) and not _hidden(path.split("/"))
        ]
        if found:
            return found
    return []


def _hidden(parts: Iterable[str]) -> bool:
    """Half-written, or not ours."""
    return any(part.startswith(".") for part in parts)


def _decode(contents: Iterable[tuple[str, bytes]], problems: list[str]) -> Loaded:
    found = []
    for where, data in contents:
        try:
            found.append(records.decode(data, where))
        except StoreError as error:
            problems.append(str(error))
    return Loaded(tuple(found), tuple(problems))
