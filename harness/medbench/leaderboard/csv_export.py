"""The leaderboard as one CSV file: a row for each number, reproduced or reported, with all that it stands under."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from medbench.leaderboard.reported import Figure, ReportedColumn
from medbench.leaderboard.table import Line, Table
from medbench.leaderboard.text import clean

CSV_NAME = "leaderboard.csv"
CSV_MARK = "Made by medbench leaderboard build"
Value = str | float | int | bool | None
_HEADING = ("task", "task_version", "phantom", "set_aside", "split", "recipe", "data")
_LINE = ("kind", "method", "qualifier", "rank", "contamination", "test_n", "seeds", "checkpoint", "medbench")
_COLUMN = ("metric", "metric_title", "unit", "higher_is_better", "as_released", "fraction")
_CELL = ("value", "low", "high", "deviation", "place", "tied", "p_holm", "not_above_floor")
_FIGURE = ("reported", "reported_deviation", "difference", "comparable", "source")
HEADER = (*_HEADING, *_LINE, *_COLUMN, *_CELL, *_FIGURE, "note")
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_NO_CELL: tuple[Value, ...] = (None,) * len(_CELL)
_NO_FIGURE: tuple[Value, ...] = (None,) * len(_FIGURE)


def leaderboard_csv(tables: Iterable[Table]) -> bytes:
    """A row a cell that there is, then a row a reported figure, whose ``kind`` is ``figure``; shares of 1."""
    rows: list[tuple[Value, ...]] = []
    for table in tables:
        one = table.heading
        heading = (one.task, one.version, one.phantom, one.set_aside, one.split, one.recipe, one.data)
        for line in table.lines:
            rows += [(*heading, *row) for row in _cells(table, line)]
            rows += [
                (*heading, *_line(line, "figure"), *_figure(column, figure))
                for column, figures in zip(table.reported, line.reported, strict=bool(line.reported))
                for figure in figures
            ]
    return csv_bytes(HEADER, rows, mark=CSV_MARK)


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[Value]], *, mark: str) -> bytes:
    """CSV in UTF-8: numbers with six digits, empty where undefined, the mark in the last column of every row.

    Text is cleaned of control characters; what a spreadsheet would take for a formula gets an apostrophe before it.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*header, "made_by"])
    for row in rows:
        writer.writerow([*map(_text, row), mark])
    return buffer.getvalue().encode()


def _cells(table: Table, line: Line) -> list[tuple[Value, ...]]:
    found: list[tuple[Value, ...]] = []
    for column, cell in zip(table.columns, line.cells, strict=True):
        if cell is not None:
            of_column = (column.metric, column.title, column.unit, column.higher_is_better, column.as_released)
            numbers = (cell.value, cell.low, cell.high, cell.deviation, cell.place or None)
            marks = (cell.tied if cell.place else None, cell.p_value, cell.not_above_floor)
            note = "; ".join([*cell.notes, *([f"not tested: {cell.untested}"] if cell.untested else [])])
            own = _line(line, line.kind, cell.seeds)
            found.append((*own, *of_column, column.fraction, *numbers, *marks, *_NO_FIGURE, note))
    return found


def _line(line: Line, kind: str, seeds: int | None = None) -> tuple[Value, ...]:
    test_n: Value = line.test_n[0] if len(line.test_n) == 1 else ";".join(map(str, line.test_n))
    method = line.kind == "method"
    end = (test_n, seeds if method else None, (line.checkpoint or "")[:8], ";".join(line.versions))
    return (kind, line.name, line.qualifier, line.rank, line.contamination, *end)


def _figure(column: ReportedColumn, figure: Figure) -> tuple[Value, ...]:
    of_column = (column.metric, column.title, column.unit, None, None, column.fraction)
    numbers = (figure.value, figure.deviation, figure.difference, figure.comparable, figure.source)
    return (*of_column, *_NO_CELL, *numbers, figure.note)


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value + 0.0:.6g}"
    text = clean(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
