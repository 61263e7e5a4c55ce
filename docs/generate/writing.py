"""Markdown of what a spec says; whatever a plugin supplies is escaped."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from medbench.leaderboard import text as plain
from medbench.leaderboard.text import fraction_name, page_name

_QUOTED = re.compile(r"``(.+?)``|`([^`]+)`")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~:/?#@!$&()+,;=%-]*)?\Z")
_BLOCK = re.compile(r"[-+=:]|[0-9]+[.)]")
"""What would begin a list, a rule, a heading's underline or a directive (``:::``) at the head of a line."""


def escape(text: str) -> str:
    """`medbench.leaderboard.text.escape`, for the head of a line too."""
    shown = plain.escape(text)
    return f"&#{ord(shown[0])};{shown[1:]}" if _BLOCK.match(shown) else shown


def code(text: object) -> str:
    """``text`` as code, whatever it holds."""
    return f"<code>{plain.escape(str(text))}</code>"


def codes(names: Iterable[object]) -> str:
    """Several, separated by commas; a dash for none."""
    return ", ".join(code(name) for name in names) or "–"


def link(url: str) -> str:
    """A link where ``url`` is a plain address of the web, else the text."""
    return f"<{url}>" if _URL.match(url) else escape(url)


def page_link(kind: str, name: str) -> str:
    """A link to the page of a spec (``kind`` is methods, datasets or tasks), from the page of another."""
    return f"[{escape(name)}](../{kind}/{page_file(name)})"


def page_file(name: str) -> str:
    """The file name of a spec's page; never that of the index."""
    return "index_.md" if name == "index" else page_name(name)


def page(*parts: str) -> str:
    """Paragraphs, those that are empty left out."""
    return "\n\n".join(part for part in parts if part) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are already Markdown; '' for no rows."""
    body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(header)} |", "|" + "---|" * len(header), *body]) if body else ""


def facts(rows: Mapping[str, str]) -> str:
    """A table of two columns; what is empty is left out."""
    return table(("", ""), [(f"**{name}**", value) for name, value in rows.items() if value])


def bullets(lines: Iterable[str]) -> str:
    """A list; '' for no lines."""
    return "\n".join(f"- {line}" for line in lines)


def numbered(lines: Iterable[str]) -> str:
    """A list with numbers from 1; '' for no lines."""
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))


def prose(docstring: str) -> str:
    """The paragraphs of a docstring; what stands in backticks is code, all else is text."""
    return "\n\n".join(_paragraph(part) for part in inspect.cleandoc(docstring).split("\n\n"))


def value_text(value: Any) -> str:
    """A recipe's value as a reader writes it: sequences with ':', as ``--set`` takes them."""
    if isinstance(value, (list, tuple)):
        return code(":".join(map(str, value))) if value else "–"
    return code(value)


def percent_text(value: float, unit: str) -> str:
    """A figure as tables print it."""
    return f"{100 * value:.4g}" if unit == "percent" else f"{value:.4g}"


def _paragraph(text: str) -> str:
    parts, done = [], 0
    for found in _QUOTED.finditer(text):
        parts += [_words(text[done : found.start()]), code(found[1] or found[2])]
        done = found.end()
    return "".join([*parts, _words(text[done:])]).strip()


def _words(text: str) -> str:
    """Escaped, with the spaces at its ends that escaping would take away."""
    inner = escape(text)
    if not inner:
        return " " if text else ""
    return f"{' ' if text[0].isspace() else ''}{inner}{' ' if text[-1].isspace() else ''}"


__all__ = [
    "bullets",
    "code",
    "codes",
    "escape",
    "facts",
    "fraction_name",
    "link",
    "numbered",
    "page",
    "page_file",
    "page_link",
    "percent_text",
    "prose",
    "table",
    "value_text",
]
