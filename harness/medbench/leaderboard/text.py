"""How numbers and names are put on a page: percent, footnotes, and escaping, so that no name can break a table."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal

_SPECIAL = re.compile(r"[&<>|`*\[\]{}\\~$#!]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)")


Unit = Literal["percent", "plain"]
"""A share of 1 shown in percent, or a number shown as it is (a rank, a count)."""
NAME = 80
"""Names of methods, metrics and tasks are cut to so many characters on a page."""
NOTE = 400
"""As `NAME`, for notes, summaries and sources."""
_LONGEST_URL = 500
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~:/?#@!$&'()+,;=%-]*)?\Z")


def clean(text: str) -> str:
    """``text`` on one line, without control and formatting characters (terminal escapes, changes of direction)."""
    if text.isprintable():  # nothing of category C, and no space but the plain one
        return " ".join(text.split())
    shown = (" " if character.isspace() else character for character in text)
    kept = (character for character in shown if not unicodedata.category(character).startswith("C"))
    return " ".join("".join(kept).split())


def escape(text: str) -> str:
    """``text`` as it is read, whatever Markdown or HTML it holds: what could have a meaning becomes an entity."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", clean(text))


def shorten(text: str, longest: int = NAME) -> str:
    """`clean` text, cut with an ellipsis where it is longer."""
    text = clean(text)
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def name_text(text: str, longest: int = NAME) -> str:
    """A name as Markdown shows it: cut, then escaped."""
    return escape(shorten(text, longest))


def web_link(url: str, title: str) -> str:
    """A Markdown link to a page of the web; empty where ``url`` is no plain http or https address."""
    return f"[{escape(title)}](<{url.replace('&', '&amp;')}>)" if len(url) <= _LONGEST_URL and _URL.match(url) else ""


def signed(value: float, unit: Unit) -> str:
    """A difference in points of percent, or as `plain`, always with its sign: ``+1.2``, ``-0.4``, ``+0.0``."""
    if unit == "percent":
        return f"{round(100 * value, 1) + 0.0:+.1f}"
    return ("-" if value < 0 else "+") + plain(abs(value))


def percent(value: float) -> str:
    """A share of 1 in percent with one decimal, without sign: 0.8123 -> ``81.2``; never ``-0.0``."""
    return f"{round(100 * value, 1) + 0.0:.1f}"


def plain(value: float) -> str:
    """Three digits of a number below 10, else one decimal where it needs one.

    0.01234 -> ``0.0123``, 3.0 -> ``3``, 2.5 -> ``2.5``, 12.34 -> ``12.3``, 1234.0 -> ``1,234``; below 0.0001 ``1.23e-5``.
    """
    if abs(value) < 10:
        return f"{value + 0.0:.3g}".replace("e-0", "e-")
    return f"{round(value, 1) + 0.0:,.1f}".removesuffix(".0")


def number_text(value: float, unit: Unit) -> str:
    """A number of that unit, without sign."""
    return percent(value) if unit == "percent" else plain(value)


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
    return f"{safe}-{hashlib.sha256(task.encode(errors='surrogatepass')).hexdigest()[:8]}.md"


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
