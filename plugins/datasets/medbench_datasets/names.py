"""What file and class names may be carried into tables, and which of them clash."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from medbench.samples import Problem
from medbench_datasets.cells import is_blank
from medbench_datasets.texts import UNFIT

if TYPE_CHECKING:
    from collections.abc import Iterable

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
"""How the images of the datasets end, in lower case."""
LONGEST_NAME = 255
"""Bytes that file systems allow for one component of a path."""

_UNASSIGNED = "Cn"


def is_plain_text(name: str) -> bool:
    """Whether a name has no control character and is valid Unicode, so that files and tables can hold it."""
    return UNFIT.search(name) is None and not any(unicodedata.category(mark) == _UNASSIGNED for mark in name)


def is_too_long(name: str, room: int = 0) -> bool:
    """Whether no file can have this name, with ``room`` more bytes for an ending."""
    return len(name.encode("utf-8", "surrogatepass")) + room > LONGEST_NAME


def look_alikes(labels: Iterable[str]) -> list[Problem]:
    """Label names that differ by case alone: most likely two spellings of one."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in labels:
        groups[name.casefold()].append(name)
    return [
        Problem("colliding-name", group[0], f"{' and '.join(group)} differ by case alone; both were kept")
        for group in groups.values()
        if len(group) > 1
    ]


def tidy_path(cell: str) -> str:
    """A relative path with '/' and without '.' parts, as a Windows or POSIX user writes it."""
    return str(PurePosixPath(cell.replace("\\", "/")))


def complain_of_path(cell: str) -> str | None:
    """What is wrong with the path of an image, or None."""
    if is_blank(cell):
        return "no image path"
    if not is_plain_text(cell):
        return f"the image path {cell!r} has control characters"
    return _complain_of_parts(cell, PurePosixPath(tidy_path(cell)))


def _complain_of_parts(cell: str, path: PurePosixPath) -> str | None:
    if path.is_absolute() or PureWindowsPath(cell).drive:
        return f"the image path '{cell}' is absolute; give it from the folder of the table"
    if not path.name:
        return f"the image path '{cell}' names no file"
    if ".." in path.parts:
        return f"the image path '{cell}' leaves the folder of the table"
    if any(is_too_long(part) for part in path.parts):
        return f"the image path '{cell[:60]}...' has a name of over {LONGEST_NAME} bytes"
    return None
