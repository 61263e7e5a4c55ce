"""Names and texts of plugins and of data, made fit to be shown: no control characters, and of a sane length."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medbench.leaderboard.text import clean

NAME_LENGTH = 300
TEXT_LENGTH = 5_000
_DEPTH = 8


def shown_name(text: str) -> str:
    """``text`` on one line of at most `NAME_LENGTH` characters; a longer one ends in an ellipsis."""
    if len(text) <= NAME_LENGTH and text.isprintable():
        return text
    return _cut(clean(text[: 4 * NAME_LENGTH]), NAME_LENGTH)


def shown_text(text: str) -> str:
    """``text`` with its line breaks, without other control and formatting characters, of at most `TEXT_LENGTH` characters."""
    lines = text[: 4 * TEXT_LENGTH].replace("\r\n", "\n").replace("\t", " ")
    kept = (one for one in lines if one == "\n" or not unicodedata.category(one).startswith("C"))
    return _cut("".join(kept).strip(), TEXT_LENGTH)


def shown_values(value: Any, depth: int = 0) -> Any:
    """A recipe's values, with every text in them shown as a name and every number finite or None."""
    if isinstance(value, str) or depth > _DEPTH:
        return shown_name(str(value))
    if isinstance(value, Mapping):
        return {shown_name(str(name)): shown_values(one, depth + 1) for name, one in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [shown_values(one, depth + 1) for one in value]
    if isinstance(value, float):
        return finite(value)
    return value if value is None or isinstance(value, bool | int) else shown_name(str(value))


def finite(value: float | None) -> float | None:
    """The number as a float, None where it is none that JSON can say."""
    return None if value is None or not math.isfinite(value) else float(value)


def without_folder(line: str, folder: Path) -> str:
    """A message without the place of ``folder`` on this machine: what stands in it reads relative to it."""
    for place in sorted({str(folder), str(folder.absolute()), str(folder.resolve())}, key=len, reverse=True):
        if place not in {".", "/"}:
            line = line.replace(f"{place}/", "").replace(place, "the results folder")
    return shown_name(line)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
