"""The label-efficiency table: methods against fractions of the training data, under the metric that ranks."""

from __future__ import annotations

from medbench.leaderboard.table import Line
from medbench.leaderboard.text import Footnotes, escape, fraction_name, numbers
from medbench.tables.comparisons import Comparison, Contender
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

_FIELDS = ("fraction", "kind", "method", "qualifier", "metric", "value", "low", "high", "deviation", "not_above_floor")
_COUNTS = ("seeds", "train_n", "test_n")


def efficiency_section(comparison: Comparison) -> str:
    """Markdown: a row a method in order of rank, floors last; mean over seeds, its deviation and interval, † by the floor."""
    notes = Footnotes()
    header = ["method", *map(fraction_name, comparison.fractions), "n", "seeds"]
    rows = [_row(comparison, one.line, escape(one.title), notes) for one in comparison.contenders]
    rows += [_row(comparison, line, f"*{escape(line.name)}*", notes) for line in comparison.floors]
    cells = [comparison.cell(line, at) for line in comparison.table.lines for at in comparison.fractions]
    better = "higher" if comparison.metric.higher_is_better else "lower"
    lead = f"{escape(comparison.metric.title)} by share of the training data ({better} is better)."
    return paragraphs("## Label efficiency", lead, markdown(header, rows), cell_notes(cells, notes))


def efficiency_csv(comparison: Comparison) -> bytes:
    """The same numbers, a row a cell, as shares of 1."""
    rows = [
        row for one in comparison.contenders for at in comparison.fractions for row in _cell_rows(comparison, one, at)
    ]
    for line in comparison.floors:
        for at in comparison.fractions:
            rows += _values(comparison, line, "floor", at, (None, None, *_single(line.test_n)))
    return csv_bytes((*HEADING_FIELDS, *_FIELDS, *_COUNTS), rows)


def _row(comparison: Comparison, line: Line, name: str, notes: Footnotes) -> list[str]:
    text = floor_text if line.kind == "floor" else cell_text
    cells = [text(comparison.cell(line, at), notes) for at in comparison.fractions]
    return [name, *cells, numbers(line.test_n), "" if line.kind == "floor" else numbers(line.seeds)]


def _cell_rows(comparison: Comparison, one: Contender, fraction: float) -> list[tuple[Value, ...]]:
    records = one.at(fraction)
    counts = (
        len(records),
        *_single(tuple(record.subset.n for record in records)),
        *_single(tuple(record.test_n for record in records)),
    )
    return _values(comparison, one.line, "method", fraction, counts)


def _values(
    comparison: Comparison, line: Line, kind: str, fraction: float, counts: tuple[int | None, ...]
) -> list[tuple[Value, ...]]:
    """One row, or none where the line has no cell at that fraction."""
    cell = comparison.cell(line, fraction)
    if cell is None:
        return []
    names = (fraction, kind, line.name, line.qualifier, comparison.metric.name)
    measured = (cell.value, cell.low, cell.high, cell.deviation, None if line.kind == "floor" else cell.not_above_floor)
    return [(*heading_values(comparison), *names, *measured, *counts)]


def _single(counts: tuple[int, ...]) -> tuple[int | None]:
    """The number that all agree on."""
    return (counts[0] if len(set(counts)) == 1 else None,)
