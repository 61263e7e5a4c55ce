"""Names and texts of plugins and of data, made fit to be shown: no control characters, and of a sane length."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medbench.leaderboard.text import clean

NAME_LENGTH = 300
TEXT_LENGTH = 5_000
_DEPTH = 8
_PLACE = "[path]"
_START = r"(?:file:/+|/|[A-Za-z]:[\\/]|\\\\)"
"""How a path begins that is not relative: of POSIX, of Windows, of a share, as an address."""
_QUOTED = re.compile(rf"""(['"`]){_START}[^'"`]*\1""")
_BARE = re.compile(rf"""(?<![\w./~\]\\])(?!//){_START}[^\s'"`]+(?:(?<![),;:]) [^\s'"`/]+/[^\s'"`]*)*(?<![).,;:])""")
"""A word with a slash that follows a path is taken to be of it: folders have blanks in their names."""


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


def without_places(line: str, folder: Path | None = None) -> str:
    """A message without places of this machine: what stands in ``folder`` reads relative to it, any other path is left out.

    Of a relative ``folder`` the name alone stays: it may be any word.
    """
    line = line[: 4 * NAME_LENGTH]
    if folder is not None:
        if not folder.is_absolute() and folder.name:
            line = re.sub(rf"(?<![^\s'\"`(]){re.escape(str(folder))}/", "", line)
        for place in sorted({str(folder.absolute()), str(folder.resolve())} - {"/"}, key=len, reverse=True):
            line = re.sub(rf"{re.escape(place)}(?:/(?=\S)|(?![\w-]))", lambda found: _inside(found[0]), line)
    home = str(Path("~").expanduser())
    line = line.replace(home, "/home") if len(home) > 1 else line  # a home with blanks in its name is one word then
    return shown_name(_BARE.sub(_PLACE, _QUOTED.sub(_PLACE, line)))


def _inside(place: str) -> str:
    return "" if place.endswith("/") else "the results folder"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
