"""The front page ``README.md``: the best method of each task, methods against tasks with the mean rank, and all pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medbench.leaderboard.markdown import Markdown
from medbench.leaderboard.table import Specs, Table
from medbench.leaderboard.text import Footnotes, fraction_name, markdown_table, name_text, page_name
from medbench.specs import TaskSpec

_HEADER = ("task", "dataset", "metric", "best method", "value", "methods")
_ALIGN = ("left", "left", "left", "left", "right", "right")


def overview_page(
    tables: Mapping[str, Sequence[Table]], reported: Sequence[str], methods: Sequence[str], specs: Specs
) -> str:
    """The page without its mark: ``tables`` by task, ids of tasks with reported figures, ids of methods with a page."""
    best = {task: table for task, found in sorted(tables.items()) if (table := _main_table(found)) is not None}
    others = sorted({*tables, *reported} - best.keys())
    parts = ["# Leaderboards", "The best method of each task under its standard recipe, on real data."]
    rows = [_best_row(table, specs.tasks[task]) for task, table in best.items()]
    parts.append(markdown_table(_HEADER, rows, _ALIGN) if rows else "No ranked record on real data yet.")
    if others:
        lead = "Pages with other recipes, older versions, reported figures or phantom (generated) data only:"
        parts += [lead, "\n".join(f"- {_task_link(task)}" for task in others)]
    parts += _mean_ranks([table for found in tables.values() for table in found], specs)
    if methods:
        parts += ["## Methods", "\n".join(f"- {method_link(method)}" for method in methods)]
    return "\n\n".join(parts) + "\n"


def method_link(method: str) -> str:
    """A link to a method's page, from the folder's root."""
    return f"[{name_text(method)}](methods/{page_name(method)})"


def _main_table(tables: Sequence[Table]) -> Table | None:
    """The task's main table: real, of the present version, recipe ``standard``, and ranked."""
    for table in tables:
        heading = table.heading
        main = not heading.phantom and not heading.set_aside and heading.recipe == "standard"
        if main and any(line.rank == 1 for line in table.lines):
            return table
    return None


def _best_row(table: Table, spec: TaskSpec) -> list[str]:
    best = [line for line in table.lines if line.rank == 1]
    names = ", ".join(name_text(line.name) for line in best[:5]) + (f" and {len(best) - 5} more" if best[5:] else "")
    index = max(index for index, column in enumerate(table.columns) if column.metric == spec.ranking_metric.name)
    cell, column = best[0].cells[index], table.columns[index]
    value = "–" if cell is None else Markdown().cell(cell, Footnotes(), aside=False)
    if column.fraction != 1:
        value += f" ({fraction_name(column.fraction)} of the data)"
    methods = {line.name.partition("@")[0] for line in table.lines if line.kind == "method"}
    metric = name_text(spec.ranking_metric.title)
    return [_task_link(table.heading.task), name_text(spec.dataset), metric, names, value, str(len(methods))]


def _mean_ranks(tables: Sequence[Table], specs: Specs) -> list[str]:
    """The sections of `medbench tables`' overview over real data, of the same numbers."""
    from medbench.tables.comparisons import comparisons_of
    from medbench.tables.overview import build_overviews, overview_section

    real = [table for table in tables if not table.heading.phantom]
    overviews = build_overviews(comparisons_of(real, specs).found)
    return [overview_section(one) for one in overviews]


def _task_link(task: str) -> str:
    return f"[{name_text(task)}]({page_name(task)})"
