"""Metrics by class and by subgroup (sex, age, view) of the methods of a comparison, at its largest fraction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from msgspec.structs import replace

from medbench.leaderboard.cells import Cell, Column, cell_of
from medbench.leaderboard.text import Footnotes, escape, numbers
from medbench.protocols import GroupValue
from medbench.records import MetricValue, Record
from medbench.specs import MetricSpec
from medbench.tables.analyses import Analysed, Findings
from medbench.tables.comparisons import Comparison, Contender, share_of_data
from medbench.tables.text import (
    HEADING_FIELDS,
    Value,
    cell_notes,
    cell_text,
    csv_bytes,
    floor_text,
    heading_values,
    markdown,
    paragraphs,
)

GroupKey = tuple[str, str, str]
"""Grouping, group and metric."""


@dataclass(frozen=True, slots=True)
class GroupLine:
    """A line's cells by group; ``place`` is the method's in the comparison, None for a floor; ``sizes`` are in samples."""

    title: str
    place: int | None
    cells: dict[GroupKey, Cell]
    sizes: dict[GroupKey, tuple[int, ...]]

    @property
    def floor(self) -> bool:
        return self.place is None


@dataclass(frozen=True, slots=True)
class GroupTable:
    """Lines in order of rank, floors last; ``keys`` in the order in which the protocol gives them."""

    comparison: Comparison
    keys: tuple[GroupKey, ...]
    lines: tuple[GroupLine, ...]

    @property
    def groupings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(grouping for grouping, _, _ in self.keys))

    def shown_metric(self, grouping: str) -> str:
        """The ranking metric, or where that is not given by group the first metric that is."""
        given = {metric for one, _, metric in self.keys if one == grouping}
        known = [metric.name for metric in self.comparison.task.metrics if metric.name in given]
        return known[0] if known else min(given)

    def keys_of(self, grouping: str) -> list[GroupKey]:
        """The keys of a grouping under its shown metric."""
        shown = self.shown_metric(grouping)
        return [key for key in self.keys if key[0] == grouping and key[2] == shown]

    def size(self, key: GroupKey) -> str:
        """The samples of a group: one number, or the range over methods."""
        return numbers({size for line in self.lines for size in line.sizes.get(key, ())})


def group_table(comparison: Comparison, findings: Findings) -> GroupTable | None:
    """The table, or None where no method's predictions give groups."""
    lines, floors = [], []
    keys: dict[GroupKey, None] = {}
    for place, contender in enumerate(comparison.contenders):
        records = contender.at(comparison.largest)
        analysed = findings.all_of(records)
        if analysed is None:
            continue
        keys.update(dict.fromkeys(_key(value) for one in analysed for value in one.groups))
        lines.append(_method_line(comparison, contender, place, records, analysed))
        floors += _floor_lines(comparison, records, analysed)
    if not keys:
        return None
    return GroupTable(comparison, tuple(keys), (*lines, *_distinct(floors)))


def groups_section(table: GroupTable, pictures: Mapping[str, str] = MappingProxyType({})) -> str:
    """Markdown: a table a grouping, a row a method, a column a group; under it the grouping's line of ``pictures``."""
    comparison = table.comparison
    parts = []
    for grouping in table.groupings:
        notes = Footnotes()
        keys = table.keys_of(grouping)
        header = ["method", *(f"{escape(key[1])} (n = {table.size(key)})" for key in keys)]
        rows = []
        for line in table.lines:
            text = floor_text if line.floor else cell_text
            title = f"*{escape(line.title)}*" if line.floor else escape(line.title)
            rows.append([title, *(text(line.cells.get(key), notes) for key in keys)])
        cells = [line.cells.get(key) for line in table.lines for key in keys]
        title = metric_spec(comparison, table.shown_metric(grouping)).title
        lead = f"{escape(title)}, {share_of_data(comparison.largest)}."
        parts += [f"## By {escape(grouping)}", lead, markdown(header, rows), cell_notes(cells, notes)]
        parts.append(pictures.get(grouping, ""))
    return paragraphs(*parts)


def groups_csv(table: GroupTable) -> bytes:
    """Every metric of every group and method, a row each, as shares of 1."""
    header = (*HEADING_FIELDS, "fraction", "kind", "method", "grouping", "group", "metric", "value", "low", "high")
    comparison = table.comparison
    rows: list[tuple[Value, ...]] = []
    for line in table.lines:
        own = (comparison.largest, "floor" if line.floor else "method", line.title)
        for key, cell in line.cells.items():
            sizes = line.sizes[key]
            n = sizes[0] if len(set(sizes)) == 1 else None
            measured = (cell.value, cell.low, cell.high, cell.deviation, n, cell.seeds, "; ".join(cell.notes))
            rows.append((*heading_values(comparison), *own, *key, *measured))
    return csv_bytes((*header, "deviation", "n", "seeds", "note"), rows)


def metric_spec(comparison: Comparison, name: str) -> MetricSpec:
    """The task's metric of that name, or one that stands in for a metric that the task does not list."""
    return next((one for one in comparison.task.metrics if one.name == name), MetricSpec(name=name, title=name))


def _key(value: GroupValue) -> GroupKey:
    return value.grouping, value.group, value.metric


def _method_line(
    comparison: Comparison, contender: Contender, place: int, records: Sequence[Record], analysed: Sequence[Analysed]
) -> GroupLine:
    """Means over seeds, each cell marked against the floors of its own group."""
    stands_in = []
    for record, one in zip(records, analysed, strict=True):
        floors = {name: _by_name(values) for name, values in one.floor_groups.items()}
        stands_in.append(replace(record, metrics=_by_name(one.groups), floors=floors))
    values = [value for one in analysed for value in one.groups]
    return _line(comparison, contender.title, place, stands_in, values)


def _floor_lines(comparison: Comparison, records: Sequence[Record], analysed: Sequence[Analysed]) -> list[GroupLine]:
    lines = []
    for name in dict.fromkeys(name for one in analysed for name in one.floor_groups):
        groups = [one.floor_groups.get(name, ()) for one in analysed]
        stands_in = [
            replace(record, metrics=_by_name(values), floors={}) for record, values in zip(records, groups, strict=True)
        ]
        lines.append(_line(comparison, name, None, stands_in, [value for values in groups for value in values]))
    return lines


def _line(
    comparison: Comparison, title: str, place: int | None, records: list[Record], values: Iterable[GroupValue]
) -> GroupLine:
    """``records`` hold each group's value as a metric of its own, so that a group's cell is made as any other."""
    cells: dict[GroupKey, Cell] = {}
    sizes: dict[GroupKey, tuple[int, ...]] = {}
    for value in values:
        key = _key(value)
        sizes[key] = (*sizes.get(key, ()), value.value.n)
        if key not in cells:
            cell = cell_of(records, _column(comparison, key))
            if cell is not None:
                cells[key] = cell
    return GroupLine(title, place, cells, sizes)


def _column(comparison: Comparison, key: GroupKey) -> Column:
    known = {metric.name: metric for metric in comparison.task.metrics}
    metric = known.get(key[2])
    return Column(
        metric=_name(key),
        title=key[1],
        fraction=comparison.largest,
        higher_is_better=metric.higher_is_better if metric else None,
        as_released=False,
        n=None,
        unit=metric.unit if metric else "percent",
    )


def _by_name(values: Iterable[GroupValue]) -> dict[str, MetricValue]:
    return {_name(_key(value)): value.value for value in values}


def _name(key: GroupKey) -> str:
    return "\0".join(key)


def _distinct(floors: list[GroupLine]) -> list[GroupLine]:
    """Each floor once as it is printed: methods on the same test samples share it."""
    found: dict[object, GroupLine] = {}
    for line in floors:
        printed = tuple((key, _printed(cell)) for key, cell in line.cells.items())
        found.setdefault((line.title, printed), line)
    return sorted(found.values(), key=lambda line: line.title)


def _printed(cell: Cell) -> tuple[str | None, ...]:
    return tuple(None if value is None else cell.text(value) for value in (cell.value, cell.low, cell.high))
