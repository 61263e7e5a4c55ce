"""The folder of a leaderboard: what is stale in it, what of ours is left over, and nothing of others touched."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from medbench.errors import StoreError, UsageError
from medbench.files import write_bytes_atomically
from medbench.leaderboard.csv_export import CSV_MARK, CSV_NAME
from medbench.leaderboard.json_export import JSON_KIND, JSON_NAME
from medbench.leaderboard.latex_export import FOLDER as LATEX
from medbench.leaderboard.latex_export import LATEX_MARK
from medbench.leaderboard.outputs import FORMATS, Format
from medbench.leaderboard.pages import MARKDOWN_MARK, METHODS

_PATTERNS: dict[Format, tuple[str, ...]] = {
    "markdown": ("*.md", f"{METHODS}/*.md"),
    "csv": (CSV_NAME,),
    "json": (JSON_NAME,),
    "latex": (f"{LATEX}/*.tex",),
}


@dataclass(frozen=True, slots=True)
class Stale:
    """A file that does not agree with the records: its path relative to the folder, and a unified diff."""

    path: str
    diff: str


def formats_present(folder: Path) -> tuple[Format, ...]:
    """Markdown, and every other format of which a file of ours is there. Raises `UsageError` for linked folders."""
    return tuple(one for one in FORMATS if one == "markdown" or any(map(_is_ours, _present(folder, [one]).values())))


def write_files(folder: Path, files: Mapping[str, bytes], formats: Collection[Format]) -> list[str]:
    """Write ``files``, each at once; gives the paths of earlier files of these formats that it removed.

    Raises `UsageError` before anything is written where one would go over a file that we did not make.
    """
    present = _present(folder, formats)
    taken = (name for name in files if name in present or os.path.lexists(folder / name))
    foreign = sorted(name for name in taken if not _is_ours(present.get(name, b"")))
    if foreign:
        raise UsageError(
            f"{folder / foreign[0]} was not made by medbench leaderboard", fix="choose another --out, or move it away"
        )
    for name, content in sorted(files.items()):
        if present.get(name) != content:
            write_bytes_atomically(folder / name, content)
    superseded = sorted(name for name, content in present.items() if name not in files and _is_ours(content))
    for name in superseded:
        (folder / name).unlink(missing_ok=True)
    return superseded


def stale_files(folder: Path, files: Mapping[str, bytes], formats: Collection[Format]) -> list[Stale]:
    """The files in ``folder`` that differ from ``files``, are missing, or have no records any more."""
    present = _present(folder, formats)
    stale = []
    for name in sorted(present.keys() | files.keys()):
        ours = name in files or _is_ours(present[name])  # a page that somebody wrote is none of our business
        if ours and present.get(name) != files.get(name):
            old, new = (content.decode(errors="replace") for content in (present.get(name, b""), files.get(name, b"")))
            stale.append(Stale(name, _diff(name, old, new)))
    return stale


def _diff(name: str, old: str, new: str) -> str:
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), f"a/{name}", f"b/{name}", lineterm=""))
    told = ["the two differ in nothing but line endings, or in bytes that are no text"]
    return "\n".join(lines or [f"--- a/{name}", f"+++ b/{name}", *told])


def _present(folder: Path, formats: Collection[Format]) -> dict[str, bytes]:
    """The content of every file that may be one of these formats, by relative path.

    Raises `UsageError` where a folder of ours is a link, since what is behind it is not this leaderboard's.
    """
    for name in (METHODS, LATEX):
        if (folder / name).is_symlink():
            raise UsageError(f"{folder / name} is a link to another folder", fix="replace it by a folder, or remove it")
    found = {}
    for one in sorted(formats):
        for pattern in _PATTERNS[one]:
            for path in sorted(folder.glob(pattern)):
                if not path.name.startswith(".") and path.is_file():
                    try:
                        found[path.relative_to(folder).as_posix()] = path.read_bytes()
                    except OSError as error:
                        raise StoreError(f"cannot read {path}: {error.strerror}", fix="choose another --out") from error
    return found


def _is_ours(content: bytes) -> bool:
    if content.startswith((MARKDOWN_MARK.encode(), LATEX_MARK.encode())):
        return True
    if content.startswith(b'{\n "document": "' + JSON_KIND.encode() + b'"'):
        return True
    header, _, rows = content.partition(b"\n")
    return header.endswith(b",made_by") and (not rows or rows.endswith(CSV_MARK.encode() + b"\n"))
