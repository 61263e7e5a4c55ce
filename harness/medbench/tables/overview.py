"""The overview: methods against tasks, with the mean rank; real and phantom, and recipes, in tables of their own."""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from medbench.leaderboard.cells import Cell
from medbench.leaderboard.grid import marks_legend, unit_words
from medbench.leaderboard.text import NOTE, Footnotes, fraction_name, name_text, shorten
from medbench.tables.comparisons import Comparison, Identity
from medbench.tables.text import Value, bullets, cell_text, csv_bytes, floor_text, markdown, paragraphs

_NOTES = (
    "mean rank: over the tasks that a method has, among the methods that have the task; methods equal as printed share the "
    "mean of their places",
    "rank: by mean rank, among the methods that have every task",
)
_FLOOR_NOTE = "† the 95 % interval is not above the best trivial floor (the last row)"


class Group(NamedTuple):
    """What one overview is of."""

    phantom: bool
    recipe: str


@dataclass(frozen=True, slots=True)
class TaskColumn:
    """A task in an overview: its main comparison, and the fraction that is shown."""

    comparison: Comparison
    fraction: float


@dataclass(frozen=True, slots=True)
class Standing:
    """A method's row: a cell a task, its place in each (None where it has no value), and what follows from them."""

    title: str
    cells: tuple[Cell | None, ...]
    places: tuple[float | None, ...]
    mean_rank: float | None
    rank: int | None = None

    @property
    def tasks(self) -> int:
        return sum(place is not None for place in self.places)


@dataclass(frozen=True, slots=True)
class Overview:
    """Standings by rank, then by mean rank; ``others`` are comparisons that stand behind another of their task."""

    group: Group
    columns: tuple[TaskColumn, ...]
    standings: tuple[Standing, ...]
    others: tuple[Comparison, ...]


def build_overviews(comparisons: Sequence[Comparison]) -> list[Overview]:
    """One for each recipe label, real before phantom, ``standard`` first."""
    groups: defaultdict[Group, list[Comparison]] = defaultdict(list)
    for one in comparisons:
        groups[Group(one.heading.phantom, one.heading.recipe)].append(one)
    order = sorted(groups, key=lambda group: (group.phantom, group.recipe != "standard", group.recipe))
    return [_overview(group, groups[group]) for group in order]


def shared_fraction(comparison: Comparison) -> float:
    """The largest of the fractions that the most contenders have: the largest common one, where there is a common one."""
    counts = Counter(at for one in comparison.contenders for at in {record.fraction for record in one.records})
    most = max(counts.values())
    return max(at for at, count in counts.items() if count == most)


def overview_section(overview: Overview) -> str:
    """Markdown of one overview, the best floor of each task in the last row."""
    kind = "Generated data, recipe" if overview.group.phantom else "Recipe"
    footnotes = Footnotes()
    header = ["rank", "method", "mean rank", "tasks", *(_column_title(column) for column in overview.columns)]
    rows = [_row(one, len(overview.columns), footnotes) for one in overview.standings]
    floors = [best_floor(column) for column in overview.columns]
    if any(floors):
        rows.append(["", "*best floor*", "", "", *(floor_text(cell, footnotes) for cell in floors)])
    lines = [_cells_note(overview), *_NOTES]
    shown = [cell for one in overview.standings for cell in one.cells if cell is not None]
    lines += marks_legend(shown)
    if any(cell.not_above_floor for cell in shown):
        lines.append(_FLOOR_NOTE)
    lines += [f"left out, on a page of its own: {shorten(one.label, NOTE)}" for one in overview.others]
    lines += [f"({number}) {shorten(note, NOTE)}" for number, note in enumerate(footnotes.lines(), start=1)]
    title = f"## {kind} {name_text(overview.group.recipe)}"
    return paragraphs(title, markdown(header, rows, left=2), bullets(lines))


def overview_csv(overviews: Sequence[Overview]) -> bytes:
    """A row a method and task that it has, as shares of 1; ``phantom`` and ``recipe`` tell the overviews apart."""
    header = ["phantom", "recipe", "method", "rank", "mean_rank", "tasks", "of_tasks", "task", "split", "data"]
    header += ["fraction", "metric", "value", "low", "high", "not_above_floor", "place"]
    rows: list[tuple[Value, ...]] = []
    for overview in overviews:
        for one in overview.standings:
            own = (*overview.group, one.title, one.rank, one.mean_rank, one.tasks, len(overview.columns))
            for column, cell, place in zip(overview.columns, one.cells, one.places, strict=True):
                if cell is not None:
                    heading = column.comparison.heading
                    of_task = (
                        heading.task,
                        heading.split,
                        heading.data,
                        column.fraction,
                        column.comparison.metric.name,
                    )
                    rows.append((*own, *of_task, cell.value, cell.low, cell.high, cell.not_above_floor, place))
    return csv_bytes(header, rows)


def best_floor(column: TaskColumn) -> Cell | None:
    """The best trivial answer in a column."""
    comparison = column.comparison
    cells = [comparison.cell(line, column.fraction) for line in comparison.floors]
    known = [(cell.value, cell) for cell in cells if cell is not None and cell.value is not None]
    if not known:
        return None
    sign = 1 if comparison.metric.higher_is_better else -1
    return max(known, key=lambda pair: sign * pair[0])[1]


def _overview(group: Group, comparisons: Sequence[Comparison]) -> Overview:
    main: dict[str, Comparison] = {}
    for one in comparisons:
        main.setdefault(one.heading.task, one)
    columns = tuple(TaskColumn(one, shared_fraction(one)) for one in main.values())
    titles: dict[Identity, set[str]] = defaultdict(set)
    cells: dict[Identity, list[Cell | None]] = {}
    for index, column in enumerate(columns):
        for contender in column.comparison.contenders:
            row = cells.setdefault(contender.identity, [None] * len(columns))
            row[index] = column.comparison.cell(contender.line, column.fraction)
            titles[contender.identity].add(contender.title)
    places = _places(cells, len(columns))
    names = _names(titles)
    standings = []
    for identity, row in cells.items():
        own = [place for place in places[identity] if place is not None]
        mean_rank = statistics.fmean(own) if own else None
        standings.append(Standing(names[identity], tuple(row), tuple(places[identity]), mean_rank))
    others = tuple(one for one in comparisons if one is not main[one.heading.task])
    return Overview(group, columns, _ranked(standings), others)


def _places(cells: dict[Identity, list[Cell | None]], tasks: int) -> dict[Identity, list[float | None]]:
    """Each row's place in each task; a tie shares the mean of its places (Demšar, JMLR 7, 2006)."""
    places: dict[Identity, list[float | None]] = {identity: [None] * tasks for identity in cells}
    for index in range(tasks):
        column = {identity: cell for identity, row in cells.items() if (cell := row[index]) and cell.place}
        ties = Counter(cell.place for cell in column.values())
        for identity, cell in column.items():
            places[identity][index] = cell.place + (ties[cell.place] - 1) / 2
    return places


def _names(titles: dict[Identity, set[str]]) -> dict[Identity, str]:
    """One title a row: the fullest that a task gave it; rows that would share one get their checkpoint's digits."""
    fullest = {identity: max(sorted(found), key=len) for identity, found in titles.items()}
    counts = Counter(fullest.values())
    return {
        identity: title if counts[title] == 1 else f"{title} ({', '.join(part[:8] for part in identity[1:] if part)})"
        for identity, title in fullest.items()
    }


def _ranked(standings: list[Standing]) -> tuple[Standing, ...]:
    complete = sorted(one.mean_rank for one in standings if one.mean_rank is not None and one.tasks == len(one.places))
    ranked = [
        replace(one, rank=1 + bisect_left(complete, one.mean_rank))
        if one.mean_rank is not None and one.tasks == len(one.places)
        else one
        for one in standings
    ]
    ranked.sort(key=lambda one: (one.rank is None, one.rank or 0, -one.tasks, one.mean_rank or 0, one.title))
    return tuple(ranked)


def _cells_note(overview: Overview) -> str:
    units = unit_words({column.comparison.metric.unit for column in overview.columns})
    where = "each task's ranking metric, at the largest of the fractions that the most of its methods have"
    return "; ".join(["cells: " + where, *units])


def _row(one: Standing, tasks: int, notes: Footnotes) -> list[str]:
    rank = "–" if one.rank is None else str(one.rank)
    mean = "–" if one.mean_rank is None else f"{one.mean_rank:.2f}"
    return [
        rank,
        name_text(one.title),
        mean,
        f"{one.tasks} of {tasks}",
        *(cell_text(cell, notes) for cell in one.cells),
    ]


def _column_title(column: TaskColumn) -> str:
    name = name_text(column.comparison.heading.task)
    return f"{name}: {name_text(column.comparison.metric.title)}, {fraction_name(column.fraction)}"
