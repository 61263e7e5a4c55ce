"""The records that BASE and NEW name: a record file, a folder of records, or a git revision, read without a checkout."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from medbench import records
from medbench.compare import revisions
from medbench.compare.revisions import TreeFile
from medbench.errors import NewerRecordError, StoreError, UsageError
from medbench.leaderboard.text import clean
from medbench.records import Record
from medbench.store import Loaded

FOLDERS = ("leaderboards/records", "results")
"""Where a revision's records are looked for when no path is given."""

_ABOVE = "records/*/*/*.json"
_LAYOUTS = ("*/*/*.json", _ABOVE, "*/*.json", "*.json")
"""A results folder, the folder above one (that comes first where it fits), one task's folder, one method's."""
_POINTER = b"version https://git-lfs"
_OUTSIDE_BRACES = re.compile(r"((?:[^:{]|\{[^}]*\})*):(.*)", re.DOTALL)
"""A time in ``main@{2026-01-01 10:00}`` has colons of its own."""


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
        loaded = _read([path]) if path.is_file() else _read_folder(path)
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


def _read_folder(folder: Path) -> Loaded:
    files = {path.relative_to(folder).as_posix(): path for layout in _LAYOUTS for path in sorted(folder.glob(layout))}
    return _first_that_fits(list(files), lambda chosen: _read([files[one] for one in chosen]))


def _read(files: Sequence[Path]) -> Loaded:
    contents: list[tuple[str, bytes]] = []
    unread: list[str] = []
    for path in files:
        try:
            contents.append((str(path), path.read_bytes()))
        except OSError as error:
            unread.append(f"cannot read {path}: {error.strerror}")
    return _decode(contents, unread)


def _read_revision(name: str, folder: Path) -> Loaded:
    revision, path = split_revision(name)
    tree = revisions.open_tree(revision, FOLDERS if path is None else [path], name, folder)
    if tree.kind == "blob":
        return _read_blobs(revision, [TreeFile(tree.path, tree.object_id, is_link=False)], folder)
    above = f"{tree.path.rstrip('/')}/" if tree.path.rstrip("/") else ""
    files = {file.path: file for file in revisions.list_blobs(tree.object_id, folder)}

    def read(chosen: Sequence[str]) -> Loaded:
        return _read_blobs(revision, [replace(files[one], path=f"{above}{one}") for one in chosen], folder)

    return _first_that_fits(list(files), read)


def _read_blobs(revision: str, files: Sequence[TreeFile], folder: Path) -> Loaded:
    problems = [
        f"{revision}:{one.path} is a symbolic link, and nothing is followed in a revision - commit the record itself"
        for one in files
        if one.is_link
    ]
    regular = [one for one in files if not one.is_link]
    blobs = revisions.read_blobs([one.object_id for one in regular], folder) if regular else []
    return _decode(zip((f"{revision}:{one.path}" for one in regular), blobs, strict=True), problems, in_revision=True)


def split_revision(name: str) -> tuple[str, str | None]:
    """``REV`` and ``PATH`` of ``REV:PATH``; no path where there is no colon outside of braces."""
    found = _OUTSIDE_BRACES.fullmatch(name)
    return (found[1], found[2]) if found else (name, None)


def _first_that_fits(files: Sequence[str], read: Callable[[Sequence[str]], Loaded]) -> Loaded:
    """What the first layout holds that has a record; where none has, of the first that has a file at all."""
    above = any(path.startswith("records/") for path in files)
    fallback = Loaded((), ())
    for layout in sorted(_LAYOUTS, key=lambda one: one != _ABOVE) if above else _LAYOUTS:
        chosen = [path for path in sorted(files) if _fits(path, layout)]
        loaded = read(chosen) if chosen else fallback
        if loaded.records:
            return loaded
        fallback = fallback if fallback.problems else loaded
    return fallback


def _fits(path: str, layout: str) -> bool:
    """A part that begins with a dot is half-written, or not ours."""
    parts = path.split("/")
    hidden = any(part.startswith(".") for part in parts)
    return not hidden and path.count("/") == layout.count("/") and PurePosixPath(path).match(layout)


def _decode(contents: Iterable[tuple[str, bytes]], problems: list[str], *, in_revision: bool = False) -> Loaded:
    found = []
    for where, data in contents:
        if data.startswith(_POINTER):
            fix = "check the revision out, run git lfs pull, and name the folder" if in_revision else "run git lfs pull"
            problems.append(f"{where} is a pointer of Git LFS and not the record - {fix}")
            continue
        try:
            found.append(records.decode(data, where))
        except NewerRecordError as error:
            problems.append(str(error))
        except StoreError as error:
            told = f"{error.message} - name another revision, or commit the record anew"
            problems.append(told if in_revision else str(error))
    return Loaded(tuple(found), tuple(problems))
