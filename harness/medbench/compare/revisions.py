"""Files of a git revision, by ``git cat-file``: no checkout, and names go through stdin, so that none can be an option."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medbench.errors import StoreError, UsageError
from medbench.leaderboard.text import clean

_TIMEOUT_S = 120
_OBJECT = re.compile(rb"([0-9a-f]{40,64}) (blob|tree|commit|tag) ([0-9]+)\Z")
_LINK = b"120000"
_UNSAFE = re.compile(r"[\x00\r\n]")


@dataclass(frozen=True, slots=True)
class GitObject:
    """A file (``blob``) or folder (``tree``) of a revision at ``path``."""

    object_id: str
    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file under a tree, by its path in it; of a link git keeps only where it leads."""

    path: str
    object_id: str
    is_link: bool


def open_tree(revision: str, paths: Sequence[str], name: str, folder: Path) -> GitObject:
    """The first of ``paths`` that the revision has, seen from a folder of the checkout.

    Raises `UsageError` where git is absent, ``folder`` is in no repository, or the revision or the paths are not there.
    """
    shown = clean(name)
    if not revision or any(_UNSAFE.search(text) for text in (revision, *paths)):
        raise UsageError(f"'{shown}' is neither a path nor a git revision", fix="check the name")
    commit = _look_up(f"{revision}^{{commit}}", shown, folder)
    if commit is None:
        raise UsageError(
            f"'{shown}' is neither a path nor a git revision", fix="check the name, or fetch the revision first"
        )
    for path in paths:
        found = _look_up(f"{commit[0]}:{path.rstrip('/')}", shown, folder)
        if found is not None and found[1] in {"blob", "tree"}:
            return GitObject(*found, path)
    wanted = " or ".join(f"'{clean(path)}'" for path in paths)
    raise UsageError(f"the revision '{clean(revision)}' has no {wanted}", fix="name the folder of records as REV:PATH")


def list_blobs(tree: str, folder: Path) -> list[TreeFile]:
    """Every file and every link under a tree."""
    found = []
    for entry in _git(["ls-tree", "-r", "-z", "--full-tree", tree], b"", folder).split(b"\0"):
        head, tab, path = entry.partition(b"\t")
        mode, _, rest = head.partition(b" ")
        if tab and (mode.startswith(b"100") or mode == _LINK):
            name = path.decode("utf-8", "surrogateescape")
            found.append(TreeFile(name, rest.split()[1].decode(), is_link=mode == _LINK))
    return found


def read_blobs(object_ids: Sequence[str], folder: Path) -> list[bytes]:
    """The contents, in order. Raises `StoreError` where one is absent (a partial clone)."""
    answer = _git(["cat-file", "--batch"], "".join(f"{one}\n" for one in object_ids).encode(), folder)
    contents, start = [], 0
    for one in object_ids:
        end = answer.find(b"\n", start)
        header = _OBJECT.match(answer[start:end]) if end >= 0 else None
        if header is None:
            raise StoreError(f"git has no content for object {one}", fix="fetch the revision in full")
        size = int(header[3])
        contents.append(answer[end + 1 : end + 1 + size])
        start = end + 2 + size
    return contents


def _look_up(expression: str, name: str, folder: Path) -> tuple[str, str] | None:
    """Object id and kind of what an expression names; None where there is nothing of that name."""
    try:
        answer = _git(["cat-file", "--batch-check"], f"{expression}\n".encode("utf-8", "surrogateescape"), folder)
    except StoreError as error:
        raise UsageError(f"'{name}' is no path, and git cannot look it up: {error.message}") from error
    found = _OBJECT.match(answer.splitlines()[0]) if answer else None
    return (found[1].decode(), found[2].decode()) if found else None


def _git(arguments: list[str], data: bytes, folder: Path) -> bytes:
    """What git prints. ``arguments`` hold nothing that a user wrote. Raises `StoreError`."""
    try:
        result = subprocess.run(
            ["git", *arguments], cwd=folder, input=data, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreError(f"git does not run ({type(error).__name__})", fix="install git, or name a folder") from error
    if result.returncode:
        lines = result.stderr.decode(errors="replace").splitlines()
        raise StoreError(
            clean(lines[0]).removeprefix("fatal: ") if lines else f"git {arguments[0]} ended with {result.returncode}"
        )
    return result.stdout
