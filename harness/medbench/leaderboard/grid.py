"""A table as rows of text, whatever the dialect: which columns it has, in what order, and which notes stand under it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from medbench.leaderboard.cells import Cell, Column
from medbench.leaderboard.reported import Figures, ReportedColumn
from medbench.leaderboard.table import Line, Table
from medbench.leaderboard.text import NOTE, Footnotes, Unit, fraction_name, numbers, shorten

Align = Literal["left", "right"]
INTERVAL_NOTE = "in brackets the 95 % interval over test patients"
SEEDS_NOTE = "± is the standard deviation over seeds; value and interval bounds are means over seeds"
FLOOR_NOTE = "† the 95 % interval is not above the best trivial floor (the unranked rows at the end)"
TIED_NOTE = (
    "bold: the best of a column and what does not differ significantly from it (paired bootstrap over the test patients, "
    "Holm-corrected over the tests of the column, level 0.05)"
)
OVERLAP_NOTE = "overlaps: the method's declared pretraining data may hold images of this test set"
REPORTED_NOTE = "reported: what a paper prints, never ranked"
DIFFERENCE_NOTE = "in brackets behind a reported figure: ours minus it"


class Dialect(Protocol):
    """How a kind of document puts things; everything that comes from a plugin or a record is escaped by it."""

    def text(self, text: str) -> str:
        """A name or a number as it is read."""
        ...

    def name(self, line: Line) -> str:
        """The first words of a row."""
        ...

    def cell(self, cell: Cell, notes: Footnotes, *, aside: bool) -> str:
        """A reproduced number; ``aside`` in rows that are no method."""
        ...

    def figures(self, figures: Figures, unit: Unit, notes: Footnotes) -> str:
        """Reported numbers of one column."""
        ...


@dataclass(frozen=True, slots=True)
class Slot:
    """A column of the page: the index of a reproduced column or of a reported one."""

    kind: Literal["cell", "reported"]
    index: int


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of finished text, and the plain notes under them."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    align: tuple[Align, ...]
    notes: tuple[str, ...]


def slots_of(table: Table) -> list[Slot]:
    """Every reproduced column with the reported one of the same number behind it, then the other reported ones."""
    left = dict(enumerate(table.reported))
    found = []
    for index, column in enumerate(table.columns):
        found.append(Slot("cell", index))
        for other, reported in list(left.items()):
            if reported.computed and (reported.metric, reported.fraction) == (column.metric, column.fraction):
                found.append(Slot("reported", other))
                del left[other]
    return [*found, *(Slot("reported", index) for index in left)]


def grid_of(table: Table, dialect: Dialect) -> Grid:
    """The whole table in a dialect; a table of reported figures alone has no columns of provenance."""
    notes = Footnotes()
    slots = slots_of(table)
    full = bool(table.columns)
    several = len({*table.fractions, *(one.fraction for one in table.reported)}) > 1
    titles = [_title(table, slot, several=several) for slot in slots]
    ends = ["n", "seeds", "checkpoint", "medbench", "pretraining"] if full else ["pretraining"]
    rows = []
    for line in table.lines:
        middle = [_slot_text(line, table, slot, dialect, notes) for slot in slots]
        start = [dialect.text(_rank(line))] if full else []
        name = dialect.name(line if full else replace(line, kind="method"))
        end = _ends(line) if full else [line.contamination]
        rows.append((*start, name, *middle, *map(dialect.text, end)))
    align: list[Align] = ["right"] if full else []
    align.append("left")
    align += ["right"] * len(slots)
    align += ["right", "right", "left", "left", "left"] if full else ["left"]
    header = [*(["rank"] if full else []), "method", *titles, *ends]
    return Grid(tuple(map(dialect.text, header)), tuple(rows), tuple(align), tuple(_legend(table, notes)))


def column_title(column: Column | ReportedColumn, *, several: bool) -> str:
    """``mAP, 1 %``: the fraction where the table has several, or not all of the data."""
    title = shorten(column.title)
    if isinstance(column, Column) and column.as_released:
        title += " (as released)"
    return title + (f", {fraction_name(column.fraction)}" if several or column.fraction != 1 else "")


def spread(cell: Cell) -> str:
    """``± 0.3 [80.1, 82.3] †``, with a space before; empty where there is nothing of it."""
    text = f" ± {cell.text(cell.deviation)}" if cell.deviation is not None else ""
    if cell.low is not None and cell.high is not None:
        text += f" [{cell.text(cell.low)}, {cell.text(cell.high)}]"
    return text + (" †" if cell.not_above_floor else "")


def checkpoint_text(checkpoint: str | None) -> str:
    """The first eight digits of the weights' SHA-256; a dash where there are no weights."""
    return checkpoint[:8] if checkpoint else "–"


def title_of(line: Line) -> str:
    """``mgca@resnet50 (checkpoint 1a2b3c4d)``, cut to a name's length each."""
    return shorten(line.name) + (f" ({shorten(line.qualifier)})" if line.qualifier else "")


def footnote_lines(notes: Footnotes) -> list[str]:
    """``(1) …`` for each, cut to a note's length."""
    return [f"({number}) {shorten(note, NOTE)}" for number, note in enumerate(notes.lines(), start=1)]


def marks_legend(cells: Iterable[Cell]) -> list[str]:
    """What bold and underlined mean, where any cell is either."""
    shown = list(cells)
    found = [TIED_NOTE] if any(cell.p_value is not None for cell in shown) else []
    if not found and any(cell.tied for cell in shown):
        found.append("bold: the best of a column")
    if any(cell.place == 2 and not cell.tied for cell in shown):
        found.append("underlined: the second")
    return found


def interval_legend(cells: Iterable[Cell]) -> list[str]:
    """In which unit the cells are and what stands in brackets, where any has an interval."""
    shown = list(cells)
    if all(cell.low is None for cell in shown):
        return []
    return ["; ".join([*unit_words({cell.unit for cell in shown}), INTERVAL_NOTE])]


def unit_words(units: Collection[Unit]) -> list[str]:
    """``percent``, where any number is; nothing is to be said of plain numbers alone."""
    if "percent" not in units:
        return []
    return ["percent, but plain numbers where a metric is no share" if "plain" in units else "percent"]


def reported_legend(found: Iterable[tuple[Figures, Unit]]) -> list[str]:
    """What is to be said of reported figures, where there are any."""
    shown = [(figure, unit) for figures, unit in found for figure in figures]
    units = {unit for figure, unit in shown if figure.difference is not None}
    if not units:
        return [REPORTED_NOTE] if shown else []
    points = ", in points where both are in percent" if "plain" in units else ", in points"
    return [REPORTED_NOTE, DIFFERENCE_NOTE + (points if "percent" in units else "")]


def _title(table: Table, slot: Slot, *, several: bool) -> str:
    if slot.kind == "reported":
        title = column_title(table.reported[slot.index], several=several)
        return f"{title}, reported" if table.columns else title
    column = table.columns[slot.index]
    return column_title(column, several=several) + (f", n = {column.n}" if column.n is not None else "")


def _slot_text(line: Line, table: Table, slot: Slot, dialect: Dialect, notes: Footnotes) -> str:
    if slot.kind == "reported":
        figures = line.reported[slot.index] if line.reported else ()
        return dialect.figures(figures, table.reported[slot.index].unit, notes) if figures else dialect.text("–")
    cell = line.cells[slot.index]
    return dialect.text("–") if cell is None else dialect.cell(cell, notes, aside=line.kind != "method")


def _rank(line: Line) -> str:
    if line.kind in {"floor", "ceiling"}:
        return ""
    return "–" if line.rank is None else str(line.rank)


def _ends(line: Line) -> list[str]:
    if line.kind != "method":
        return [numbers(line.test_n), "", "", "", line.contamination]
    versions = shorten(", ".join(line.versions)) or "–"
    return [numbers(line.test_n), numbers(line.seeds), checkpoint_text(line.checkpoint), versions, line.contamination]


def _legend(table: Table, notes: Footnotes) -> list[str]:
    cells = [cell for line in table.lines for cell in line.cells if cell is not None]
    found = interval_legend(cells)
    if any(cell.deviation is not None for cell in cells):
        found.append(SEEDS_NOTE)
    if any(cell.not_above_floor for cell in cells):
        found.append(FLOOR_NOTE)
    if any(cell.p_value is not None for cell in cells):
        found.append(TIED_NOTE)
    found += _untested(cells)
    if any(line.contamination == "overlaps" for line in table.lines):
        found.append(OVERLAP_NOTE)
    found += reported_legend(
        (figures, column.unit)
        for line in table.lines
        for column, figures in zip(table.reported, line.reported, strict=False)  # floors and ceilings have none
    )
    return [*found, *footnote_lines(notes)]


def _untested(cells: Sequence[Cell]) -> list[str]:
    counts = Counter(cell.untested for cell in cells if cell.untested)
    return [
        f"not tested against the best of its column, {count} {'cell' if count == 1 else 'cells'}: {reason}"
        for reason, count in sorted(counts.items())
    ]
