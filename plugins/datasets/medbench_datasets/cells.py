"""Reading single cells of tables: labels, sex and age, in all the spellings that the datasets and their users write."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from medbench.samples import UNCERTAIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OLDEST = 120
"""Ages beyond it are slips of the pen; some releases have them."""

_BLANK = frozenset({"", "nan"})
_WORDS = {"true": 1, "false": 0}
_VALUE = re.compile(r"(-?[01])(?:\.0*)?\Z", re.ASCII)
_VALUES = {"1": 1, "0": 0, "-0": 0, "-1": UNCERTAIN}
_SEXES = {"f": "F", "female": "F", "m": "M", "male": "M"}
_AGE = re.compile(r"(\d{1,6})(?:\.\d*)?([YMWD]?)\Z", re.IGNORECASE | re.ASCII)
_UNITS_A_YEAR = {"": 1, "Y": 1, "M": 12, "W": 52, "D": 365}


def is_blank(cell: str) -> bool:
    """Whether nothing is known: no text, or ``nan`` as pandas may write it."""
    return cell.casefold() in _BLANK


def read_label(cell: str) -> int | None:
    """1 present, 0 absent, `UNCERTAIN` for -1, with or without decimals; None (unknown) for a blank.

    ``true`` and ``false`` will do. Raises `ValueError` on anything else.
    """
    if is_blank(cell):
        return None
    match = _VALUE.match(cell)
    value = _VALUES[match[1]] if match else _WORDS.get(cell.casefold())
    if value is None:
        raise ValueError(f"{cell!r} is not one of 1, 0, -1 and blank")
    return value


def read_labels(cells: Mapping[str, str], names: Sequence[str]) -> dict[str, int]:
    """The known labels of a row, by name. Raises `ValueError`, which names the column of the first malformed cell."""
    labels = {}
    for name in names:
        try:
            value = read_label(cells[name])
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if value is not None:
            labels[name] = value
    return labels


def write_label(value: int | None) -> str:
    """The cell of a label as CheXpert and MIMIC-CXR write it; the inverse of `read_label`."""
    return "" if value is None else {1: "1.0", 0: "0.0", UNCERTAIN: "-1.0"}[value]


def sex_of(cell: str) -> str:
    """``F`` or ``M``; '' where the cell says neither."""
    return _SEXES.get(cell.casefold(), "")


def age_of(cell: str) -> str:
    """Whole years, 0 to `OLDEST`, of ``45``, ``45.0``, ``045Y``, or ``018M`` (W, D); '' for anything else."""
    match = _AGE.match(cell)
    years = int(match[1]) // _UNITS_A_YEAR[match[2].upper()] if match else OLDEST + 1
    return str(years) if years <= OLDEST else ""
