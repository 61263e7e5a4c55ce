"""The label cells of CheXpert and of MIMIC-CXR-JPG, whose tables one labeller wrote."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from medbench.samples import UNCERTAIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_VALUES = {1.0: 1, 0.0: 0, -1.0: UNCERTAIN}


def read_label(cell: str) -> int | None:
    """1 for ``1.0``, 0 for ``0.0``, `UNCERTAIN` for ``-1.0``, None (unknown) for a blank or NaN.

    Raises `ValueError` on anything else.
    """
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        raise ValueError(f"{cell!r} is not a label") from None
    if math.isnan(value):
        return None
    if value not in _VALUES:
        raise ValueError(f"{cell!r} is not one of 1.0, 0.0, -1.0 and blank")
    return _VALUES[value]


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
    """The official cell of a label; the inverse of `read_label`."""
    return "" if value is None else {1: "1.0", 0: "0.0", UNCERTAIN: "-1.0"}[value]
