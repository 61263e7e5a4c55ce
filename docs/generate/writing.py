"""Markdown of what a spec says; whatever a plugin supplies is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from medbench.leaderboard.text import escape, fraction_name


def code(text: object) -> str:
    """``text`` as code, whatever it holds."""
    return f"<code>{escape(str(text))}</code>"


def codes(names: Iterable[object]) -> str:
    """Several, separated by commas; a dash for none."""
    return ", ".join(code(name) for name in names) or "–"


def link(url: str) -> str:
    """A link where ``url`` is one, else the text."""
    plain = escape(url)
    return f"<{url}>" if url.startswith(("https://", "http://")) and not set(url) & set(" <>\"'`") else plain


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


def value_text(value: Any) -> str:
    """A recipe's value as a reader writes it: sequences with ':', as ``--set`` takes them."""
    if isinstance(value, (list, tuple)):
        return code(":".join(map(str, value))) if value else "–"
    return code(value)


def percent_text(value: float, unit: str) -> str:
    """A figure as tables print it."""
    return f"{100 * value:.4g}" if unit == "percent" else f"{value:.4g}"


__all__ = [
    "bullets",
    "code",
    "codes",
    "escape",
    "facts",
    "fraction_name",
    "link",
    "page",
    "percent_text",
    "table",
    "value_text",
]
