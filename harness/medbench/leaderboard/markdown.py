"""A leaderboard's table as GitHub Markdown, and as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from medbench.leaderboard.cells import Cell
from medbench.leaderboard.grid import Grid, grid_of, spread, title_of
from medbench.leaderboard.reported import Figure, Figures
from medbench.leaderboard.table import Line, Table
from medbench.leaderboard.text import (
    Footnotes,
    Unit,
    clean,
    escape,
    markdown_table,
    number_text,
    shorten,
    signed,
    terminal_table,
)

Item = TypeVar("Item")
NOT_COMPARABLE = "not to be compared with ours"


class Markdown:
    """The best in bold, the second underlined, floors in italics, footnotes raised."""

    def text(self, text: str) -> str:
        return escape(text)

    def name(self, line: Line) -> str:
        name = escape(title_of(line))
        if line.kind == "reported":
            return f"{name} (reported)"
        return name if line.kind == "method" else f"*{name}*" + (" (ceiling)" if line.kind == "ceiling" else "")

    def cell(self, cell: Cell, notes: Footnotes, *, aside: bool) -> str:
        marks = "".join(f"<sup>{notes.number(note)}</sup>" for note in cell.notes)
        if cell.value is None:
            return f"–{marks}"
        value = cell.text(cell.value)
        if aside:
            return f"*{value}{spread(cell)}{marks}*"
        value = f"**{value}**" if cell.tied else f"<ins>{value}</ins>" if cell.place == 2 else value
        return value + spread(cell) + marks

    def figures(self, figures: Figures, unit: Unit, notes: Footnotes) -> str:
        return "; ".join(f"{figure_text(one, unit)}<sup>{','.join(figure_notes(one, notes))}</sup>" for one in figures)


class _Terminal:
    def text(self, text: str) -> str:
        return clean(text)

    def name(self, line: Line) -> str:
        return title_of(line) if line.kind == "method" else f"{line.kind}: {title_of(line)}"

    def cell(self, cell: Cell, notes: Footnotes, *, aside: bool) -> str:
        marks = "".join(f" ({notes.number(note)})" for note in cell.notes)
        return (f"–{marks}") if cell.value is None else cell.text(cell.value) + spread(cell) + marks

    def figures(self, figures: Figures, unit: Unit, notes: Footnotes) -> str:
        return "; ".join(f"{figure_text(one, unit)} ({','.join(figure_notes(one, notes))})" for one in figures)


def markdown_section(table: Table, title: str) -> str:
    """A heading (already escaped, with its level), the table, and the notes as a list."""
    grid = grid_of(table, Markdown())
    notes = "\n".join(f"- {escape(note)}" for note in grid.notes)
    return "\n\n".join(part for part in (title, _body(grid), notes) if part)


def terminal_text(tables: Iterable[Table], width: int | None = None) -> str:
    """Tables for a terminal; methods that have reported figures alone are left to the pages.

    With a ``width`` in characters, metrics that do not rank are left out from the right until a table fits, and named.
    """
    blocks = []
    for table in tables:
        heading = table.heading
        kind = "  [phantom: generated data]" if heading.phantom else ""
        kind += "  [other version, set aside]" if heading.set_aside else ""
        parts = (f"{shorten(heading.task)} v{heading.version}", shorten(heading.recipe))
        title = " · ".join([*parts, f"split {shorten(heading.split)}", f"data {clean(heading.data)}"]) + kind
        body, notes = _fitted(_run_alone(table), width)
        blocks.append("\n".join([title, "", body, *(f"  {clean(note)}" for note in notes)]))
    return "\n\n".join(blocks) + "\n" if blocks else "no records\n"


def figure_text(figure: Figure, unit: Unit) -> str:
    """``24.8 ± 0.2 (+1.3)``: as printed in a paper, and ours minus it."""
    text = number_text(figure.value, unit)
    text += f" ± {number_text(figure.deviation, unit)}" if figure.deviation is not None else ""
    return text + (f" ({signed(figure.difference, unit)})" if figure.difference is not None else "")


def figure_notes(figure: Figure, notes: Footnotes) -> list[str]:
    """The numbers of its footnotes: where it stands, and what is to be said of it."""
    said = [*([figure.note] if figure.note else []), *([] if figure.comparable else [NOT_COMPARABLE])]
    return [str(notes.number(text)) for text in (figure.source, *said)]


def _body(grid: Grid) -> str:
    return markdown_table(grid.header, grid.rows, grid.align)


def _fitted(table: Table, width: int | None) -> tuple[str, list[str]]:
    """The table's text and notes, with as many of its columns as fit; those of the first metric always stay."""
    least = sum(column.metric == table.columns[0].metric for column in table.columns) if table.columns else 0
    for count in range(len(table.columns), least - 1, -1):
        grid = grid_of(_first_columns(table, count), _Terminal())
        body = terminal_table(grid.header, grid.rows, grid.align)
        if width is None or max(map(len, body.splitlines())) <= width:
            break
    rest = dict.fromkeys(shorten(column.title) for column in table.columns[count:])
    return body, [*grid.notes, *([f"too wide to be shown here: {', '.join(rest)}"] if rest else [])]


def _first_columns(table: Table, count: int) -> Table:
    if count == len(table.columns):
        return table
    columns = table.columns[:count]
    known = {(column.metric, column.fraction) for column in columns}
    kept = [index for index, one in enumerate(table.reported) if (one.metric, one.fraction) in known]
    lines = [replace(line, cells=line.cells[:count], reported=_chosen(line.reported, kept)) for line in table.lines]
    return replace(table, columns=columns, lines=tuple(lines), reported=_chosen(table.reported, kept))


def _run_alone(table: Table) -> Table:
    lines = [line for line in table.lines if line.kind != "reported"]
    shown = [
        index for index in range(len(table.reported)) if any(line.reported and line.reported[index] for line in lines)
    ]
    kept = [replace(line, reported=_chosen(line.reported, shown)) for line in lines]
    return replace(table, lines=tuple(kept), reported=_chosen(table.reported, shown))


def _chosen(values: Sequence[Item], indices: Sequence[int]) -> tuple[Item, ...]:
    return tuple(values[index] for index in indices) if values else ()
