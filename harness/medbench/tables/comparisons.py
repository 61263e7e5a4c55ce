"""Which records of a results folder are set against each other, with the specs that say how: what tables and plots start from.

It stands on the leaderboard's tables, so that a number is in the same company on every page. Needs neither torch nor numpy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from medbench.leaderboard.cells import Cell, Column
from medbench.leaderboard.table import Heading, Line, Specs, Table, build_tables
from medbench.leaderboard.text import fraction_name
from medbench.records import Record
from medbench.specs import MetricSpec, TaskSpec

Identity = tuple[str, ...]
"""A `RowIdentity` as text: what makes rows of two tables the same contender."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A method with one checkpoint at one precision: its row in the table and the records behind it."""

    identity: Identity
    line: Line
    records: tuple[Record, ...]

    @property
    def title(self) -> str:
        """``mgca@resnet50``, with what tells it from other rows of that method; not escaped."""
        return self.line.name + (f" ({self.line.qualifier})" if self.line.qualifier else "")

    def at(self, fraction: float) -> list[Record]:
        """Its records at that fraction, by seed."""
        return sorted((one for one in self.records if one.fraction == fraction), key=lambda one: one.seed)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One table of the leaderboard whose task is known: ``contenders`` in its order, the ranking metric's ``columns``."""

    table: Table
    task: TaskSpec
    contenders: tuple[Contender, ...]
    columns: tuple[int, ...]

    @property
    def heading(self) -> Heading:
        return self.table.heading

    @property
    def metric(self) -> MetricSpec:
        return self.task.ranking_metric

    @property
    def fractions(self) -> list[float]:
        """Ascending, one for each of ``columns``."""
        return [self.table.columns[index].fraction for index in self.columns]

    @property
    def largest(self) -> float:
        """The largest fraction that any contender has."""
        return self.fractions[-1]

    @property
    def floors(self) -> tuple[Line, ...]:
        return tuple(line for line in self.table.lines if line.kind == "floor")

    def column(self, fraction: float) -> Column:
        """The ranking metric's column at that fraction."""
        return self.table.columns[self.columns[self.fractions.index(fraction)]]

    def cell(self, line: Line, fraction: float) -> Cell | None:
        """A line's cell of the ranking metric at that fraction."""
        return line.cells[self.columns[self.fractions.index(fraction)]]

    @property
    def label(self) -> str:
        """In one line for messages, not escaped."""
        heading = self.heading
        kind = "phantom, " if heading.phantom else ""
        return f"{heading.task} ({kind}recipe {heading.recipe}, split {heading.split}, data {heading.data})"


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Every comparison, in the leaderboard's order, and what was left out with the reason, one line each."""

    found: tuple[Comparison, ...]
    left_out: tuple[str, ...]


def find_comparisons(records: Iterable[Record], specs: Specs) -> Comparisons:
    """What of ``records`` may stand together, under tasks that are installed in the version that the records are of."""
    return comparisons_of(build_tables(records, specs), specs)


def comparisons_of(tables: Iterable[Table], specs: Specs) -> Comparisons:
    """Those that tables of the leaderboard make."""
    found, left_out = [], []
    for table in tables:
        task = specs.tasks.get(table.heading.task)
        if task is None:
            left_out.append(f"{table.heading.task}: no installed plugin has that task")
            continue
        if table.heading.set_aside:
            left_out.append(
                f"{task.id}: records of its version {table.heading.version} are set aside, installed is {task.version}"
            )
            continue
        columns = tuple(
            index for index, column in enumerate(table.columns) if column.metric == task.ranking_metric.name
        )
        if not columns:
            left_out.append(f"{task.id}: no record has its ranking metric, {task.ranking_metric.name}")
            continue
        found.append(Comparison(table, task, contenders_of(table), columns))
    return Comparisons(tuple(found), tuple(dict.fromkeys(left_out)))


def contenders_of(table: Table) -> tuple[Contender, ...]:
    """The table's methods in its order, with the records behind each."""
    lines = [(line, line.identity) for line in table.lines if line.kind == "method"]
    return tuple(Contender(tuple(map(str, one)), line, line.records) for line, one in lines if one is not None)


def title_of(comparison: Comparison) -> str:
    """The task's title with what sets this comparison apart, for the head of a plot; not escaped.

    That data are generated comes first, where no long title can push it out.
    """
    heading = comparison.heading
    parts = [comparison.task.title, f"recipe {heading.recipe}", f"split {heading.split}", f"data {heading.data}"]
    return " · ".join(["generated data", *parts] if heading.phantom else parts)


def share_of_data(fraction: float) -> str:
    """``10 % of the training data``."""
    return f"{fraction_name(fraction)} of the training data"
