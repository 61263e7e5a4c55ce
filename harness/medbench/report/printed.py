"""Figures that papers print, as rows of their own: one for each method and source."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from medbench.leaderboard.reported import Figure, ReportedColumn
from medbench.leaderboard.table import Line, Table
from medbench.leaderboard.text import percent, plain
from medbench.report.payload import ColumnView, LineView, Value
from medbench.report.texts import finite, shown_name


@dataclass(frozen=True, slots=True)
class Printed:
    """``columns`` are those that only reported rows have; ``lines`` have cells of the table's own columns, then of these."""

    columns: tuple[ColumnView, ...]
    lines: tuple[LineView, ...]


def printed_of(table: Table) -> Printed:
    """The reported rows of a table, in the order of its lines."""
    own = {(one.metric, one.fraction): index for index, one in enumerate(table.columns)}
    further = [one for one in table.reported if not (one.computed and (one.metric, one.fraction) in own)]
    places = {one: len(table.columns) + index for index, one in enumerate(further)}
    places |= {one: own[one.metric, one.fraction] for one in table.reported if one not in places}
    width = len(table.columns) + len(further)
    lines = [view for line in table.lines for view in _lines(line, table.reported, places, width)]
    return Printed(tuple(_column(one) for one in further), tuple(lines))


def _lines(
    line: Line, columns: tuple[ReportedColumn, ...], places: dict[ReportedColumn, int], width: int
) -> list[LineView]:
    """A view a source; a further one where a source prints several figures for one column."""
    rows: defaultdict[tuple[str, int], list[Value | None]] = defaultdict(lambda: [None] * width)
    for column, figures in zip(columns, line.reported, strict=False):  # floors and ceilings have none
        depths: defaultdict[str, int] = defaultdict(int)
        for figure in figures:
            rows[figure.source, depths[figure.source]][places[column]] = _value(figure, column)
            depths[figure.source] += 1
    return [
        LineView(
            name=shown_name(line.name),
            kind="reported",
            cells=tuple(cells),
            contamination=line.contamination,
            source=shown_name(source),
        )
        for (source, _), cells in rows.items()
    ]


def _value(figure: Figure, column: ReportedColumn) -> Value:
    value = finite(figure.value)
    text = percent if column.unit == "percent" else plain
    notes = [figure.note] if figure.note else []
    if not figure.comparable:
        notes = [f"not comparable: {figure.note}" if figure.note else "not comparable"]
    return Value(
        value=value,
        text="–" if value is None else text(value),
        deviation=finite(figure.deviation),
        notes=tuple(map(shown_name, notes)),
        difference=finite(figure.difference),
    )


def _column(column: ReportedColumn) -> ColumnView:
    return ColumnView(
        metric=shown_name(column.metric), title=shown_name(column.title), fraction=column.fraction, unit=column.unit
    )
