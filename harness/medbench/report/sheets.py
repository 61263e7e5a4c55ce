"""The leaderboard's tables with the task they are of, and the methods in them with their records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medbench.leaderboard.table import Heading, Line, Specs, Table, build_tables
from medbench.records import Record
from medbench.report.texts import shown_name
from medbench.specs import TaskSpec
from medbench.tables.comparisons import Comparison, Contender


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table; ``contenders`` are its methods in their order. ``task`` is None where no installed plugin has it."""

    table: Table
    task: TaskSpec | None
    contenders: tuple[Contender, ...]

    @property
    def heading(self) -> Heading:
        return self.table.heading

    @property
    def ranking(self) -> int | None:
        """The index of the column that ranks: the ranking metric's at the largest fraction."""
        columns = self.ranking_columns
        return columns[-1] if columns else None

    @property
    def ranking_columns(self) -> tuple[int, ...]:
        """The indices of the ranking metric's columns, by fraction."""
        if self.task is None:
            return ()
        name = self.task.ranking_metric.name
        return tuple(index for index, column in enumerate(self.table.columns) if column.metric == name)

    @property
    def comparison(self) -> Comparison | None:
        """It as the other tables take it, where its task is known, of this version, and ranks."""
        if self.task is None or self.heading.set_aside or not self.ranking_columns:
            return None
        return Comparison(self.table, self.task, self.contenders, self.ranking_columns)


def build_sheets(records: Sequence[Record], specs: Specs) -> list[Sheet]:
    """Every table of ``records``, in the leaderboard's order."""
    return [
        Sheet(table, specs.tasks.get(table.heading.task), _contenders(table)) for table in build_tables(records, specs)
    ]


def line_title(line: Line) -> str:
    """The name of a row as the page's parts refer to it."""
    return shown_name(line.name + (f" ({line.qualifier})" if line.qualifier else ""))


def _contenders(table: Table) -> tuple[Contender, ...]:
    return tuple(
        Contender(tuple(map(str, line.identity)), line, line.records)
        for line in table.lines
        if line.kind == "method" and line.identity is not None
    )
