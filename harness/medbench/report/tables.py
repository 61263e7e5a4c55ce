"""The leaderboard's tables as the page takes them: the same rows, order, digits and marks."""

from __future__ import annotations

from collections.abc import Sequence

from medbench.leaderboard.cells import Cell, Column
from medbench.leaderboard.table import Line
from medbench.report.extras import Extras
from medbench.report.payload import LineView, TableView, Value
from medbench.report.printed import Printed, printed_of
from medbench.report.record_views import RecordBook
from medbench.report.sheets import Sheet
from medbench.report.texts import finite, shown_name


def table_view(sheet: Sheet, book: RecordBook, extras: Extras) -> TableView:
    """The whole table, each number with the indices of its records in ``book``; reported figures in rows of their own."""
    heading, task = sheet.heading, sheet.task
    printed = printed_of(sheet.table)
    return TableView(
        task=shown_name(heading.task),
        title=shown_name(task.title if task else heading.task),
        dataset=shown_name(task.dataset if task else sheet.contenders[0].records[0].dataset),
        protocol=shown_name(task.protocol) if task else "",
        recipe=shown_name(heading.recipe),
        split=shown_name(heading.split),
        version=heading.version,
        data=shown_name(heading.data),
        phantom=heading.phantom,
        set_aside=heading.set_aside,
        columns=printed.columns,
        lines=_lines(sheet, printed, book),
        ranking=None if sheet.ranking is None else printed.own[sheet.ranking],
        notes=_notes(sheet),
        groups=extras.groups,
        examples=extras.examples,
        examples_note=shown_name(extras.examples_note),
        kept_of=shown_name(extras.kept_of),
    )


def _lines(sheet: Sheet, printed: Printed, book: RecordBook) -> tuple[LineView, ...]:
    """Methods, reported rows, floors and ceilings."""
    ours = [line for line in sheet.table.lines if line.kind != "reported"]
    views = [_line(one, sheet.table.columns, printed, book) for one in ours]
    methods = [view for view in views if view.kind == "method"]
    return (*methods, *printed.lines, *(view for view in views if view.kind != "method"))


def _line(line: Line, columns: Sequence[Column], printed: Printed, book: RecordBook) -> LineView:
    cells = [_value(cell, line, column, book) for column, cell in zip(columns, line.cells, strict=True)]
    return LineView(
        name=shown_name(line.name),
        kind=line.kind,
        cells=printed.spread(cells),
        qualifier=shown_name(line.qualifier),
        rank=line.rank,
        contamination=line.contamination,
        test_n=line.test_n,
        seeds=line.seeds,
    )


def _value(cell: Cell | None, line: Line, column: Column, book: RecordBook) -> Value | None:
    if cell is None:
        return None
    behind = [one for one in line.records if one.fraction == column.fraction and column.metric in one.metrics]
    value = finite(cell.value)
    return Value(
        value=value,
        text="–" if value is None else cell.text(value),
        low=finite(cell.low),
        high=finite(cell.high),
        deviation=finite(cell.deviation),
        seeds=cell.seeds,
        notes=tuple(shown_name(note) for note in cell.notes),
        not_above_floor=cell.not_above_floor,
        tied=cell.tied,
        records=book.indices(behind),
        p_value=cell.p_value,
        untested=shown_name(cell.untested),
    )


def _notes(sheet: Sheet) -> tuple[str, ...]:
    found = []
    if sheet.task is None:
        found.append("no installed plugin has this task: its cells are neither ranked nor marked")
    if sheet.heading.set_aside:
        found.append("of another version of the task: never compared with the present one")
    found += dict.fromkeys(f"{one.title}: over n = {one.n}" for one in sheet.table.columns if one.n is not None)
    return tuple(map(shown_name, found))
