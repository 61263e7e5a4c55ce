"""How numbers and names are put on a page: percent, footnotes, and escaping, so that no name can break a table."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"[&<>|`*\[\]{}\\~$#!]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)")


def clean(text: str) -> str:
    """``text`` on one line, without control and formatting characters (terminal escapes, changes of direction)."""
    shown = (" " if character.isspace() else character for character in text)
    kept = (character for character in shown if not unicodedata.category(character).startswith("C"))
    return " ".join("".join(kept).split())


def escape(text: str) -> str:
    """``text`` as it is read, whatever Markdown or HTML it holds: what could have a meaning becomes an entity."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", clean(text))


def percent(value: float) -> str:
    """A share of 1 in percent with one decimal, without sign: 0.8123 -> ``81.2``; never ``-0.0``."""
    return f"{round(100 * value, 1) + 0.0:.1f}"


def plain(value: float) -> str:
    """A number with one decimal where it needs one: 3.0 -> ``3``, 2.5 -> ``2.5``, 1234.0 -> ``1,234``."""
    return f"{round(value, 1) + 0.0:,.1f}".removesuffix(".0")


def fraction_name(fraction: float) -> str:
    """0.01 -> ``1 %``."""
    return f"{100 * fraction:.6g} %"


def numbers(values: Iterable[int]) -> str:
    """One number as it is, several as their range, none as a dash."""
    ordered = sorted(values)
    if not ordered:
        return "–"
    return str(ordered[0]) if ordered[0] == ordered[-1] else f"{ordered[0]}–{ordered[-1]}"


def page_name(task: str) -> str:
    """The file name of a task's page; a name that is no plain id is made one and told apart by its digest."""
    import hashlib

    safe = re.sub(r"[^a-z0-9._-]", "_", task)[:100].lstrip(".") or "_"
    if safe == task and task != "readme":
        return f"{task}.md"
    return f"{safe}-{hashlib.sha256(task.encode()).hexdigest()[:8]}.md"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], align: Sequence[str]) -> str:
    """A GitHub table of cells that are already escaped; ``align`` holds left, right or center."""
    from tabulate import tabulate

    return tabulate(rows, headers=header, tablefmt="github", disable_numparse=True, colalign=align)


def terminal_table(header: Sequence[str], rows: Sequence[Sequence[str]], align: Sequence[str]) -> str:
    """A table for a terminal."""
    from tabulate import tabulate

    return tabulate(rows, headers=header, tablefmt="simple", disable_numparse=True, colalign=align)


class Footnotes:
    """Notes in the order they are first asked for; the same text has the same number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number to print beside the cell."""
        return self._numbers.setdefault(text, len(self._numbers) + 1)

    def lines(self) -> list[str]:
        """The notes, first to last, unescaped."""
        return list(self._numbers)
