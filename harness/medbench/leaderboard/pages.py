"""Leaderboards as Markdown and as text, made from records and from nothing else.

The same records in any order give the same bytes. Values are shares of 1 in the records and percent on the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from medbench.leaderboard.markdown import terminal_text
from medbench.leaderboard.method_page import method_page, tables_by_method
from medbench.leaderboard.overview_page import overview_page
from medbench.leaderboard.table import Specs, Table, build_tables, reported_tables
from medbench.leaderboard.task_page import task_page
from medbench.leaderboard.text import page_name
from medbench.records import Record

MARKDOWN_MARK = "<!-- Made by `medbench leaderboard build` from the records; do not edit. -->"
METHODS = "methods"
"""The folder of the methods' pages."""


def build_pages(records: Iterable[Record], specs: Specs) -> dict[str, str]:
    """Relative path -> text of every Markdown page: `pages_of` the tables that the records make."""
    tables = build_tables(records, specs)
    return pages_of(tables, reported_tables(tables, specs), specs)


def pages_of(tables: Sequence[Table], reported: Sequence[Table], specs: Specs) -> dict[str, str]:
    """A page for each task and each method that has anything, and the overview ``README.md``, by relative path.

    ``reported`` are the tables of figures alone.
    """
    by_task: dict[str, list[Table]] = {}
    figures: dict[str, list[Table]] = {}
    for found, group in ((tables, by_task), (reported, figures)):
        for table in found:
            group.setdefault(table.heading.task, []).append(table)
    by_method = tables_by_method([*tables, *reported], specs)
    pages = {"README.md": overview_page(by_task, list(figures), list(by_method), specs)}
    for task in sorted({*by_task, *figures}):
        own, printed = by_task.get(task, []), figures.get(task, [])
        pages[page_name(task)] = task_page(task, own, printed, specs.tasks.get(task))
    for method, own_tables in by_method.items():
        pages[f"{METHODS}/{page_name(method)}"] = method_page(method, own_tables, specs)
    return {name: f"{MARKDOWN_MARK}\n\n{text}" for name, text in pages.items()}


def table_text(records: Iterable[Record], specs: Specs, width: int | None = None) -> str:
    """The same tables for a terminal, of that ``width`` where one is given."""
    return terminal_text(build_tables(records, specs), width)
