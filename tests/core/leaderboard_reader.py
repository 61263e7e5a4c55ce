"""The tables of a Markdown page as a real parser sees them, for the leaderboard's tests."""

from __future__ import annotations

from markdown_it import MarkdownIt
from markdown_it.token import Token

Cells = list[list[str]]


def tables_of(page: str) -> list[Cells]:
    """The text of every cell, row by row, header first; a raised footnote reads ``^1``."""
    found: list[Cells] = []
    inside = False
    for token in MarkdownIt("commonmark").enable("table").parse(page):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in {"th_open", "td_open", "th_close", "td_close"}:
            inside = token.type.endswith("open")
        elif token.type == "inline" and inside:
            found[-1][-1].append(_text(token))
    return found


def columns_of(table: Cells) -> list[str]:
    """The header."""
    return table[0]


def _text(token: Token) -> str:
    marks = {"<sup>": "^"}
    return "".join(
        child.content if child.type == "text" else marks.get(child.content, "") for child in token.children or ()
    )
