"""What file and class names may be carried into tables, and which of them clash."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from medbench.samples import Problem
from medbench_datasets.cells import is_blank

if TYPE_CHECKING:
    from collections.abc import Iterable

_UNFIT = frozenset({"Cc", "Cs", "Cn"})


def is_plain_text(name: str) -> bool:
    """Whether a name has no control character and is valid Unicode, so that files and tables can hold it."""
    return not any(unicodedata.category(mark) in _UNFIT for mark in name)


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
    path = PurePosixPath(tidy_path(cell))
    if path.is_absolute() or PureWindowsPath(cell).drive:
        return f"the image path '{cell}' is absolute; give it from the folder of the table"
    if not path.name:
        return f"the image path '{cell}' names no file"
    if ".." in path.parts:
        return f"the image path '{cell}' leaves the folder of the table"
    return None
