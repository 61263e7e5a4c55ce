"""The front page ``README.md``: the best method of each task, methods against tasks with the mean rank, and all pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from medbench.leaderboard.markdown import Markdown
from medbench.leaderboard.table import Specs, Table
from medbench.leaderboard.text import Footnotes, fraction_name, markdown_table, name_text, page_name

if TYPE_CHECKING:
    from medbench.leaderboard.table import Line
    from medbench.tables.comparisons import Comparison

_HEADER = ("task", "dataset", "metric", "best method", "value", "methods")
_ALIGN = ("left", "left", "left", "left", "right", "right")
_LEAD = (
    "The best method of each task under its standard recipe, on real data, at the largest of the fractions of the training "
    "data that the most of its methods have."
)


def overview_page(
    tables: Mapping[str, Sequence[Table]], reported: Sequence[str], methods: Sequence[str], specs: Specs
) -> str:
    """The page without its mark: ``tables`` by task, ids of tasks with reported figures, ids of methods with a page."""
    from medbench.tables.comparisons import comparisons_of

    real = [table for _, found in sorted(tables.items()) for table in found if not table.heading.phantom]
    comparisons = comparisons_of(real, specs).found
    best = _best_rows(comparisons)
    others = sorted({*tables, *reported} - best.keys())
    parts = ["# Leaderboards", _LEAD]
    parts.append(markdown_table(_HEADER, list(best.values()), _ALIGN) if best else "No ranked record on real data yet.")
    if others:
        lead = "Pages with other recipes, older versions, reported figures or phantom (generated) data only:"
        parts += [lead, "\n".join(f"- {_task_link(task)}" for task in others)]
    parts += _mean_ranks(comparisons)
    if methods:
        parts += ["## Methods", "\n".join(f"- {method_link(method)}" for method in methods)]
    return "\n\n".join(parts) + "\n"


def method_link(method: str) -> str:
    """A link to a method's page, from the folder's root."""
    return f"[{name_text(method)}](methods/{page_name(method)})"


def _best_rows(comparisons: Sequence[Comparison]) -> dict[str, list[str]]:
    """By task: the row of its first comparison under the recipe ``standard`` in which any method has a place."""
    found: dict[str, list[str]] = {}
    for one in comparisons:
        if one.heading.recipe == "standard" and one.heading.task not in found:
            row = _best_row(one)
            if row:
                found[one.heading.task] = row
    return found


def _best_row(comparison: Comparison) -> list[str]:
    """At the fraction of `medbench.tables.overview`, so that it is the best of the mean ranks too; empty without one."""
    from medbench.tables.overview import shared_fraction

    fraction = shared_fraction(comparison)
    cells = [(one.line, comparison.cell(one.line, fraction)) for one in comparison.contenders]
    best = [(line, cell) for line, cell in cells if cell is not None and cell.place == 1]
    if not best:
        return []
    best.sort(key=lambda one: not one[1].tied)
    names = ", ".join(name_text(line.name) for line, _ in best[:5]) + (f" and {len(best) - 5} more" if best[5:] else "")
    value = Markdown().cell(best[0][1], Footnotes(), aside=False)
    methods = {_method_of(line) for line, _ in cells}
    absent = len(methods - {_method_of(line) for line, cell in cells if cell is not None})
    if fraction != 1 or absent:
        left_out = f"; {absent} of {len(methods)} methods not run at it" if absent else ""
        value += f" ({fraction_name(fraction)} of the data{left_out})"
    task = comparison.task
    metric = name_text(task.ranking_metric.title)
    return [_task_link(task.id), name_text(task.dataset), metric, names, value, str(len(methods))]


def _method_of(line: Line) -> str:
    return line.name.partition("@")[0]


def _mean_ranks(comparisons: Sequence[Comparison]) -> list[str]:
    """The sections of `medbench tables`' overview, of the same numbers."""
    from medbench.tables.overview import build_overviews, overview_section

    return [overview_section(one) for one in build_overviews(comparisons)]


def _task_link(task: str) -> str:
    return f"[{name_text(task)}]({page_name(task)})"
