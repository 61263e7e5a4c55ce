"""How the tables command puts cells into Markdown and rows into CSV, so that no name can break or drive either."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from medbench.leaderboard import csv_export
from medbench.leaderboard.cells import Cell
from medbench.leaderboard.grid import FLOOR_NOTE, SEEDS_NOTE, interval_legend, marks_legend
from medbench.leaderboard.text import Footnotes, escape, markdown_table
from medbench.tables.comparisons import Comparison

MARK = "Made by medbench tables"
"""What every file of the command carries, so that it knows its own again."""
MARKDOWN_MARK = f"<!-- {MARK}, from records and kept predictions; do not edit. -->"
HEADING_FIELDS = ("phantom", "task", "task_version", "split", "recipe", "data")
Value = csv_export.Value


def cell_text(cell: Cell | None, notes: Footnotes, *, places: bool = True) -> str:
    """``**81.2** ± 0.3 [80.1, 82.3] †``, bold and underlined as on the leaderboard unless ``places`` is off."""
    if cell is None:
        return "–"
    marks = "".join(f"<sup>{notes.number(note)}</sup>" for note in cell.notes)
    if cell.value is None:
        return f"–{marks}"
    text = cell.text(cell.value)
    if places and cell.tied:
        text = f"**{text}**"
    elif places and cell.place == 2:
        text = f"<ins>{text}</ins>"
    if cell.deviation is not None:
        text += f" ± {cell.text(cell.deviation)}"
    if cell.low is not None and cell.high is not None:
        text += f" [{cell.text(cell.low)}, {cell.text(cell.high)}]"
    return text + (" †" if cell.not_above_floor else "") + marks


def floor_text(cell: Cell | None, notes: Footnotes) -> str:
    """`cell_text` of a floor: in italics, without a place."""
    text = cell_text(cell, notes, places=False)
    return text if text.startswith("–") else f"*{text}*"


def cell_notes(cells: Iterable[Cell | None], notes: Footnotes) -> str:
    """The list that stands under a table of such cells; empty where nothing needs saying."""
    shown = [cell for cell in cells if cell is not None]
    lines = interval_legend(shown)
    if any(cell.deviation is not None for cell in shown):
        lines.append(SEEDS_NOTE)
    if any(cell.not_above_floor for cell in shown):
        lines.append(FLOOR_NOTE)
    lines += marks_legend(shown)
    return bullets([*lines, *(f"({number}) {note}" for number, note in enumerate(notes.lines(), start=1))])


def bullets(lines: Sequence[str]) -> str:
    """A Markdown list of plain text."""
    return "\n".join(f"- {escape(line)}" for line in lines)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """A table of escaped cells: the first ``left`` columns flush left, the others right."""
    return markdown_table(header, rows, ["left"] * left + ["right"] * (len(header) - left))


def paragraphs(*parts: str) -> str:
    """The parts that are not empty, a blank line between them."""
    return "\n\n".join(part for part in parts if part)


def heading_values(comparison: Comparison) -> tuple[Value, ...]:
    """`HEADING_FIELDS` of a comparison: every row of a CSV says what it is of."""
    one = comparison.heading
    return one.phantom, one.task, one.version, one.split, one.recipe, one.data


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[Value]]) -> bytes:
    """The leaderboard's CSV, under the mark of this command."""
    return csv_export.csv_bytes(header, rows, mark=MARK)
