"""A cell of a leaderboard: the mean over seeds, its interval, and whether it beats the trivial answers."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from medbench.leaderboard.text import Unit, number_text
from medbench.records import MetricValue, Record

Bound = Literal["floor", "ceiling"]
BOUNDS: tuple[Bound, ...] = get_args(Bound)


@dataclass(frozen=True, slots=True)
class Column:
    """A metric at a data fraction. ``higher_is_better`` is None where no plugin says, and then nothing is marked."""

    metric: str
    title: str
    fraction: float
    higher_is_better: bool | None
    as_released: bool
    n: int | None
    """The samples it is over, where all cells agree and they are not the whole test set."""
    unit: Unit = "percent"


@dataclass(frozen=True, slots=True)
class Cell:
    """A mean over ``seeds``. ``place`` is 1 for the best of the column, 2 for the second, 0 for an unplaced cell.

    ``tied`` is the best, what does not differ significantly from it, and what equals it as printed where there was no test.
    ``p_value`` is that of the test, Holm-corrected over the column, and ``untested`` says why there was none.
    """

    value: float | None
    low: float | None
    high: float | None
    deviation: float | None
    seeds: int
    notes: tuple[str, ...] = ()
    not_above_floor: bool = False
    place: int = 0
    unit: Unit = "percent"
    tied: bool = False
    p_value: float | None = None
    untested: str = ""

    def text(self, value: float) -> str:
        """The value, a bound or the deviation as it is printed."""
        return number_text(value, self.unit)


def cell_of(members: Sequence[Record], column: Column) -> Cell | None:
    """The mean over the records of that metric and fraction, marked against their own floors; None where there is none."""
    found = [record for record in members if record.fraction == column.fraction and column.metric in record.metrics]
    if not found:
        return None
    cell = _mean([record.metrics[column.metric] for record in found], column)
    floors = [floor for record in found if (floor := _best_floor(record, column)) is not None]
    if cell.value is None or not floors or column.higher_is_better is None:
        return cell
    floor = statistics.fmean(floors)
    if column.higher_is_better:
        above = (cell.value if cell.low is None else cell.low) > floor
    else:
        above = (cell.value if cell.high is None else cell.high) < floor
    return replace(cell, not_above_floor=not above)


def bounds_of(record: Record, kind: Bound) -> Mapping[str, Mapping[str, MetricValue]]:
    """The metrics of a record's floors or ceilings, by name."""
    return record.floors if kind == "floor" else record.ceilings


def bound_cells(records: Sequence[Record], kind: Bound, name: str, column: Column) -> list[Cell]:
    """What the records say of a floor or ceiling in that column, each value once as it is printed, in their order."""
    found: dict[tuple[object, ...], Cell] = {}
    for record in records:
        bounds = bounds_of(record, kind)
        if record.fraction == column.fraction and column.metric in bounds.get(name, {}):
            cell = _mean([bounds[name][column.metric]], column)
            printed = tuple(
                None if number is None else cell.text(number) for number in (cell.value, cell.low, cell.high)
            )
            found.setdefault((printed, cell.notes), cell)
    return list(found.values())


def _best_floor(record: Record, column: Column) -> float | None:
    values = [
        value
        for floor in record.floors.values()
        if column.metric in floor and (value := floor[column.metric].value) is not None
    ]
    if not values:
        return None
    return max(values) if column.higher_is_better else min(values)


def _mean(metrics: list[MetricValue], column: Column) -> Cell:
    """The mean over seeds of value and bounds; bounds only where every seed has them; undefined seeds are told of."""
    values = [metric.value for metric in metrics if metric.value is not None]
    lows = [metric.low for metric in metrics if metric.value is not None and metric.low is not None]
    highs = [metric.high for metric in metrics if metric.value is not None and metric.high is not None]
    bounded = bool(values) and len(lows) == len(highs) == len(values)
    notes = tuple(dict.fromkeys(metric.note or "undefined" for metric in metrics if metric.value is None))
    if values and notes:
        notes = tuple(f"undefined in {len(metrics) - len(values)} of {len(metrics)} seeds: {note}" for note in notes)
    return Cell(
        value=statistics.fmean(values) if values else None,
        low=statistics.fmean(lows) if bounded else None,
        high=statistics.fmean(highs) if bounded else None,
        deviation=statistics.stdev(values) if len(values) > 1 else None,
        seeds=len(metrics),
        notes=notes,
        unit=column.unit,
    )
