"""The leaderboard as one JSON document with a versioned schema: the tables as they are, for machines."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from medbench.leaderboard.cells import Cell, Column
from medbench.leaderboard.reported import Figure, ReportedColumn
from medbench.leaderboard.table import Line, Table
from medbench.leaderboard.text import clean

JSON_NAME = "leaderboard.json"
JSON_SCHEMA = 1
JSON_KIND = "medbench leaderboard"
"""What the field ``document`` says, so that the file is known again."""


class CellDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """A number as a share of 1 (``unit`` percent) or as it is; ``records`` are the keys of those that it is the mean of."""

    value: float | None
    low: float | None = None
    high: float | None = None
    deviation: float | None = None
    seeds: int = 0
    place: int | None = None
    tied: bool = False
    p_holm: float | None = None
    untested: str = ""
    not_above_floor: bool = False
    notes: tuple[str, ...] = ()
    records: tuple[str, ...] = ()


class FigureDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """A reported figure; ``difference`` is ours minus it."""

    value: float
    deviation: float | None
    difference: float | None
    comparable: bool
    source: str
    note: str = ""


class ColumnDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """A metric at a data fraction, reproduced or reported; ``computed`` is false of one that the task does not compute."""

    metric: str
    title: str
    fraction: float
    unit: str
    higher_is_better: bool | None = None
    as_released: bool = False
    computed: bool = True


class LineDocument(msgspec.Struct, frozen=True):
    """A row: ``cells`` go with ``columns``, ``reported`` with ``reported_columns`` of its table."""

    kind: str
    method: str
    qualifier: str
    rank: int | None
    contamination: str
    test_n: tuple[int, ...]
    seeds: tuple[int, ...]
    checkpoint: str | None
    medbench: tuple[str, ...]
    cells: tuple[CellDocument | None, ...]
    reported: tuple[tuple[FigureDocument, ...], ...]


class TableDocument(msgspec.Struct, frozen=True):
    """One table; ``data`` is empty for a table of reported figures alone."""

    task: str
    task_version: int
    phantom: bool
    set_aside: bool
    split: str
    recipe: str
    data: str
    columns: tuple[ColumnDocument, ...]
    reported_columns: tuple[ColumnDocument, ...]
    lines: tuple[LineDocument, ...]


class LeaderboardDocument(msgspec.Struct, frozen=True):
    """The whole file."""

    document: str
    schema: int
    tables: tuple[TableDocument, ...]


def leaderboard_json(tables: Iterable[Table]) -> bytes:
    """Indented UTF-8 with the fields in a fixed order; the same tables give the same bytes."""
    document = LeaderboardDocument(JSON_KIND, JSON_SCHEMA, tuple(map(_table, tables)))
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _table(table: Table) -> TableDocument:
    one = table.heading
    return TableDocument(
        task=clean(one.task),
        task_version=one.version,
        phantom=one.phantom,
        set_aside=one.set_aside,
        split=clean(one.split),
        recipe=clean(one.recipe),
        data=clean(one.data),
        columns=tuple(map(_column, table.columns)),
        reported_columns=tuple(map(_reported_column, table.reported)),
        lines=tuple(_line(line, table.columns) for line in table.lines),
    )


def _column(column: Column) -> ColumnDocument:
    return ColumnDocument(
        metric=clean(column.metric),
        title=clean(column.title),
        fraction=column.fraction,
        unit=column.unit,
        higher_is_better=column.higher_is_better,
        as_released=column.as_released,
    )


def _reported_column(column: ReportedColumn) -> ColumnDocument:
    return ColumnDocument(
        metric=clean(column.metric),
        title=clean(column.title),
        fraction=column.fraction,
        unit=column.unit,
        computed=column.computed,
    )


def _line(line: Line, columns: tuple[Column, ...]) -> LineDocument:
    return LineDocument(
        kind=line.kind,
        method=clean(line.name),
        qualifier=clean(line.qualifier),
        rank=line.rank,
        contamination=line.contamination,
        test_n=line.test_n,
        seeds=line.seeds,
        checkpoint=None if line.checkpoint is None else clean(line.checkpoint),
        medbench=tuple(map(clean, line.versions)),
        cells=tuple(_cell(line, column, cell) for column, cell in zip(columns, line.cells, strict=True)),
        reported=tuple(tuple(map(_figure, figures)) for figures in line.reported),
    )


def _cell(line: Line, column: Column, cell: Cell | None) -> CellDocument | None:
    if cell is None:
        return None
    behind = (one for one in line.records if one.fraction == column.fraction and column.metric in one.metrics)
    return CellDocument(
        value=cell.value,
        low=cell.low,
        high=cell.high,
        deviation=cell.deviation,
        seeds=cell.seeds,
        place=cell.place or None,
        tied=cell.tied,
        p_holm=cell.p_value,
        untested=cell.untested,
        not_above_floor=cell.not_above_floor,
        notes=tuple(map(clean, cell.notes)),
        records=tuple(clean(one.key) for one in behind),
    )


def _figure(figure: Figure) -> FigureDocument:
    return FigureDocument(
        value=figure.value,
        deviation=figure.deviation,
        difference=figure.difference,
        comparable=figure.comparable,
        source=clean(figure.source),
        note=clean(figure.note),
    )
