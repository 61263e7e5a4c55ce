"""Figures that papers print, beside the reproduced ones: in columns and rows of their own, never ranked.

A figure stands in tables of real data, of its own recipe as it is (no field changed) and of the task's own split.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from medbench.leaderboard.cells import Column, cell_of
from medbench.leaderboard.text import Unit
from medbench.records import Record
from medbench.specs import ReportedResult, TaskSpec


class ReportedColumn(NamedTuple):
    """A metric at a data fraction as papers print it; the task computes it where it is ``computed``."""

    metric: str
    title: str
    fraction: float
    unit: Unit
    computed: bool


@dataclass(frozen=True, slots=True)
class Figure:
    """One printed figure. ``difference`` is ours minus it, where both are there and may be compared; a share of 1 as both."""

    value: float
    deviation: float | None
    difference: float | None
    comparable: bool
    source: str
    note: str


Figures = tuple[Figure, ...]


def reported_columns(task: TaskSpec, recipe: str) -> tuple[ReportedColumn, ...]:
    """Those that have any figure of the recipe: in the order of the task's metrics, then those that it does not compute."""
    order = {metric.name: position for position, metric in enumerate(task.metrics)}
    found = {_column(task, figure) for figure in task.reported if figure.recipe == recipe}
    return tuple(
        sorted(found, key=lambda one: (order.get(one.metric, len(order)), one.metric, one.title, one.fraction))
    )


def figures_of(
    task: TaskSpec, recipe: str, method: str, columns: Sequence[ReportedColumn], records: Sequence[Record]
) -> tuple[Figures, ...]:
    """What is reported of a method (``id@variant`` or a printed name) by column, set off against its ``records``."""
    found: Mapping[ReportedColumn, list[Figure]] = {column: [] for column in columns}
    for figure in task.reported:
        if figure.recipe == recipe and figure.method == method:
            column = _column(task, figure)
            ours = _ours(column, records) if figure.comparable and column.computed else None
            found[column].append(
                Figure(
                    value=figure.value,
                    deviation=figure.deviation,
                    difference=None if ours is None else ours - figure.value,
                    comparable=figure.comparable,
                    source=figure.source,
                    note=figure.note,
                )
            )
    return tuple(tuple(found[column]) for column in columns)


def reported_only(task: TaskSpec, recipe: str, run: Iterable[str]) -> list[str]:
    """Methods with a figure of the recipe that are not among those ``run``, in the order in which the task names them."""
    names = dict.fromkeys(figure.method for figure in task.reported if figure.recipe == recipe)
    known = set(run)
    return [name for name in names if name not in known]


def asked_of(column: ReportedColumn) -> Column:
    """The column of our own numbers that it would stand beside."""
    return Column(
        metric=column.metric,
        title=column.title,
        fraction=column.fraction,
        higher_is_better=None,
        as_released=False,
        n=None,
        unit=column.unit,
    )


def _column(task: TaskSpec, figure: ReportedResult) -> ReportedColumn:
    spec = next((metric for metric in task.metrics if metric.name == figure.metric), None)
    title = figure.metric_title or (spec.title if spec else figure.metric)
    # A figure with a title of its own is of another reading of the metric, even where the name is one of the task's.
    computed = spec is not None and title == spec.title
    return ReportedColumn(figure.metric, title, figure.fraction, spec.unit if spec else "percent", computed)


def _ours(column: ReportedColumn, records: Sequence[Record]) -> float | None:
    cell = cell_of(records, asked_of(column))
    return None if cell is None else cell.value
