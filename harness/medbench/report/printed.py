"""Figures that papers print, as rows of their own: one for each method and source, and the columns that only they have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from medbench.leaderboard.cells import Column
from medbench.leaderboard.reported import Figure, ReportedColumn
from medbench.leaderboard.table import Line, Table
from medbench.leaderboard.text import percent, plain
from medbench.report.payload import ColumnView, LineView, Value
from medbench.report.texts import finite, shown_name


@dataclass(frozen=True, slots=True)
class Printed:
    """``columns`` are the table's own and those that only reported rows have, side by side by metric, then by fraction.

    ``own`` are the places of the table's own columns in them; ``lines`` the reported rows.
    """

    columns: tuple[ColumnView, ...]
    own: tuple[int, ...]
    lines: tuple[LineView, ...]

    def spread(self, cells: Sequence[Value | None]) -> tuple[Value | None, ...]:
        """Cells of the table's own columns as cells of all."""
        found: list[Value | None] = [None] * len(self.columns)
        for place, cell in zip(self.own, cells, strict=True):
            found[place] = cell
        return tuple(found)


def printed_of(table: Table) -> Printed:
    """The columns of a table's page, and its reported rows in the order of its lines."""
    computed = {(one.metric, one.fraction) for one in table.columns}
    further = [one for one in table.reported if not (one.computed and (one.metric, one.fraction) in computed)]
    first = {metric: place for place, metric in reversed(list(enumerate(one.metric for one in table.columns)))}
    titles = {one.metric: one.title for one in table.columns}
    better = {(one.metric, one.title): one.higher_is_better for one in table.columns}

    def order(one: Column | ReportedColumn) -> tuple[object, ...]:
        place = first.get(one.metric, len(table.columns) + len(further))
        other = one.title != titles.get(one.metric)  # another reading of the metric, under the same name
        return place, one.metric if one.metric not in first else "", other, one.title if other else "", one.fraction

    every: list[Column | ReportedColumn] = sorted([*table.columns, *further], key=order)
    index = {one: place for place, one in enumerate(every)}
    own = tuple(index[one] for one in table.columns)
    known = {(one.metric, one.fraction): place for one, place in zip(table.columns, own, strict=True)}
    places = {one: index[one] if one in index else known[one.metric, one.fraction] for one in table.reported}
    lines = [view for line in table.lines for view in _lines(line, table.reported, places, len(every))]
    return Printed(tuple(_column(one, better.get((one.metric, one.title))) for one in every), own, tuple(lines))


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
        comparable=figure.comparable,
    )


def _column(column: Column | ReportedColumn, higher_is_better: bool | None) -> ColumnView:
    return ColumnView(
        metric=shown_name(column.metric),
        title=shown_name(column.title),
        fraction=column.fraction,
        unit=column.unit,
        higher_is_better=higher_is_better,
        as_released=isinstance(column, Column) and column.as_released,
    )
