"""Reading single cells of a user's table of labels."""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath

from medbench.samples import UNCERTAIN
from medbench_datasets.names import is_plain_text

_BLANK = frozenset({"", "nan"})
_VALUES = {
    "0": 0,
    "0.0": 0,
    "false": 0,
    "1": 1,
    "1.0": 1,
    "true": 1,
    "-1": UNCERTAIN,
    "-1.0": UNCERTAIN,
}
_SEXES = {"f": "F", "female": "F", "m": "M", "male": "M"}
_AGE = re.compile(r"0*(\d{1,3})(\.\d*)?Y?\Z", re.IGNORECASE | re.ASCII)


def is_blank(cell: str) -> bool:
    """Whether nothing is known: no text, or ``nan`` as pandas may write it."""
    return cell.casefold() in _BLANK


def value_of(cell: str) -> int | None:
    """1 present, 0 absent, `UNCERTAIN` for -1; None where the cell is blank or holds something else."""
    return _VALUES.get(cell.casefold())


def sex_of(cell: str) -> str:
    """``F`` or ``M``; '' where the cell says neither."""
    return _SEXES.get(cell.casefold(), "")


def age_of(cell: str) -> str:
    """Whole years of ``45``, ``45.0`` or ``045Y``; '' for anything else."""
    match = _AGE.match(cell)
    return match[1] if match else ""


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
