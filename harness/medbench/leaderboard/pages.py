"""Leaderboards as Markdown and as text, made from records and from nothing else.

The same records in any order give the same bytes. Values are shares of 1 in the records and percent on the page.
Needs neither torch nor numpy.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from medbench.leaderboard.cells import Cell, Column
from medbench.leaderboard.table import Line, Table, build_tables
from medbench.leaderboard.text import (
    Footnotes,
    clean,
    escape,
    fraction_name,
    markdown_table,
    numbers,
    page_name,
    terminal_table,
)
from medbench.records import Record
from medbench.specs import MethodSpec, TaskSpec

_GENERATED = "<!-- Made by `medbench leaderboard build` from the records; do not edit. -->"
_PHANTOM = (
    "**Generated data.** Images or weights of these trials were drawn by `medbench phantom`. The numbers show that the "
    "machinery works; they say nothing about any method, and are never ranked beside real ones."
)
_FLOOR_NOTE = "† the 95 % interval is not above the best trivial floor (the unranked rows at the end)"
_SEEDS_NOTE = "± is the standard deviation over seeds; value and interval bounds are means over seeds"


@dataclass(frozen=True, slots=True)
class Stale:
    """A page that does not agree with the records: its path relative to the folder, and a unified diff."""

    path: str
    diff: str


def build_pages(
    records: Iterable[Record], tasks: Mapping[str, TaskSpec], methods: Mapping[str, MethodSpec]
) -> dict[str, str]:
    """Relative path -> text: a page for each task that has records, and the overview ``README.md``.

    ``tasks`` and ``methods`` are the registry's specs by id. A task whose plugin is gone gets a page without ranks.
    """
    tables: dict[str, list[Table]] = {}
    for table in build_tables(records, tasks, methods):
        tables.setdefault(table.heading.task, []).append(table)
    pages = {page_name(task): _page(task, found, tasks.get(task)) for task, found in sorted(tables.items())}
    return {"README.md": _overview(tables, tasks), **pages}


def superseded_pages(folder: Path, pages: Mapping[str, str]) -> list[Path]:
    """Pages in ``folder`` that an earlier build made and that ``pages`` no longer has."""
    return [path for path, text in _written(folder).items() if path.name not in pages and text.startswith(_GENERATED)]


def check_pages(folder: Path, pages: Mapping[str, str]) -> list[Stale]:
    """The pages in ``folder`` that differ from ``pages``, are missing, or have no records any more."""
    present = {path.name: text for path, text in _written(folder).items()}
    stale = []
    for name in sorted(present.keys() | pages.keys()):
        old = present.get(name, "")
        new = pages.get(name, "")
        ours = name in pages or old.startswith(_GENERATED)  # a page that somebody wrote is none of our business
        if ours and (name not in present or old != new):
            lines = difflib.unified_diff(old.splitlines(), new.splitlines(), f"a/{name}", f"b/{name}", lineterm="")
            stale.append(Stale(name, "\n".join(lines)))
    return stale


def _written(folder: Path) -> dict[Path, str]:
    paths = [path for path in sorted(folder.glob("*.md")) if not path.name.startswith(".")]
    return {path: path.read_text(encoding="utf-8", errors="replace") for path in paths}


def table_text(records: Iterable[Record], tasks: Mapping[str, TaskSpec], methods: Mapping[str, MethodSpec]) -> str:
    """The same tables for a terminal."""
    blocks = []
    for table in build_tables(records, tasks, methods):
        notes = Footnotes()
        heading = table.heading
        kind = "  [phantom: generated data]" if heading.phantom else ""
        kind += "  [other version, set aside]" if heading.set_aside else ""
        title = (
            clean(f"{heading.task} v{heading.version} · {heading.recipe} · split {heading.split} · data {heading.data}")
            + kind
        )
        rows = [_terminal_row(line, notes) for line in table.lines]
        body = terminal_table([clean(name) for name in _header(table)], rows, _align(table))
        blocks.append("\n".join([title, "", body, *(f"  {note}" for note in _plain_notes(table, notes))]))
    return "\n\n".join(blocks) + "\n" if blocks else "no records\n"


def _page(task: str, tables: list[Table], spec: TaskSpec | None) -> str:
    parts = [_GENERATED, f"# {escape(spec.title if spec else task)}", _summary(task, spec)]
    phantom = [table for table in tables if table.heading.phantom]
    real = [table for table in tables if not table.heading.phantom]
    parts += [_section(table) for table in real if not table.heading.set_aside]
    if not any(not table.heading.set_aside for table in real):
        parts.append(
            "No record on real data yet." if not real else "No record of the present version on real data yet."
        )
    aside = [table for table in real if table.heading.set_aside]
    if aside:
        parts += [
            "## Set aside: other versions of the task",
            "A change of version moves numbers: these are never compared with the tables above.",
            *(_section(table) for table in aside),
        ]
    if phantom:
        parts += ["## Phantom", _PHANTOM, *(_section(table) for table in phantom)]
    return "\n\n".join(parts) + "\n"


def _summary(task: str, spec: TaskSpec | None) -> str:
    if spec is None:
        return f"Task {escape(task)}: its plugin is not installed, so its cells are neither ranked nor marked."
    metric = spec.ranking_metric
    better = "higher" if metric.higher_is_better else "lower"
    return (
        f"Task {escape(spec.id)}, version {spec.version}: dataset {escape(spec.dataset)}, protocol "
        f"{escape(spec.protocol)}, split {escape(spec.split)}. Ranked by {escape(metric.title)} at the largest fraction "
        f"of the training data ({better} is better)."
    )


def _section(table: Table) -> str:
    heading = table.heading
    aside = heading.set_aside or heading.phantom
    version = f"Version {heading.version}, recipe" if aside else "Recipe"
    notes = Footnotes()
    rows = [_markdown_row(line, notes) for line in table.lines]
    body = markdown_table([escape(name) for name in _header(table)], rows, _align(table))
    listed = [f"- {escape(note)}" for note in _plain_notes(table, notes)]
    level = "###" if aside else "##"
    title = f"{level} {version} {escape(heading.recipe)}, split {escape(heading.split)}, data {escape(heading.data)}"
    return "\n\n".join([title, body, *(["\n".join(listed)] if listed else [])])


def _header(table: Table) -> list[str]:
    several = len(table.fractions) > 1
    return [
        "rank",
        "method",
        *(_column_title(column, several=several) for column in table.columns),
        "n",
        "seeds",
        "pretraining",
    ]


def _column_title(column: Column, *, several: bool) -> str:
    title = column.title + (" (as released)" if column.as_released else "")
    if several or column.fraction != 1:
        title += f", {fraction_name(column.fraction)}"
    return title + (f", n = {column.n}" if column.n is not None else "")


def _align(table: Table) -> list[str]:
    return ["right", "left", *("right" for _ in table.columns), "right", "right", "left"]


def _markdown_row(line: Line, notes: Footnotes) -> list[str]:
    name = escape(line.name) + (f" ({escape(line.qualifier)})" if line.qualifier else "")
    cells = [_markdown_cell(cell, notes) for cell in line.cells]
    if line.kind != "method":
        name = f"*{name}*" + (" (ceiling)" if line.kind == "ceiling" else "")
        cells = [f"*{cell}*" if cell != "–" else cell for cell in cells]
    return _row(line, name, cells)


def _terminal_row(line: Line, notes: Footnotes) -> list[str]:
    name = clean(line.name) + (f" ({clean(line.qualifier)})" if line.qualifier else "")
    shown = name if line.kind == "method" else f"{line.kind}: {name}"
    return _row(line, shown, [_terminal_cell(cell, notes) for cell in line.cells])


def _row(line: Line, name: str, cells: list[str]) -> list[str]:
    rank = "–" if line.rank is None else str(line.rank)
    return [rank if line.kind == "method" else "", name, *cells, numbers(line.test_n), *_tail(line)]


def _tail(line: Line) -> tuple[str, str]:
    return (numbers(line.seeds), line.contamination) if line.kind == "method" else ("", "")


def _markdown_cell(cell: Cell | None, notes: Footnotes) -> str:
    if cell is None:
        return "–"
    marks = "".join(f"<sup>{notes.number(note)}</sup>" for note in cell.notes)
    if cell.value is None:
        return f"–{marks}"
    value = cell.text(cell.value)
    value = f"**{value}**" if cell.place == 1 else f"<ins>{value}</ins>" if cell.place == 2 else value
    return value + _spread(cell) + marks


def _terminal_cell(cell: Cell | None, notes: Footnotes) -> str:
    if cell is None:
        return "–"
    marks = "".join(f" ({notes.number(note)})" for note in cell.notes)
    return (f"–{marks}") if cell.value is None else cell.text(cell.value) + _spread(cell) + marks


def _spread(cell: Cell) -> str:
    text = f" ± {cell.text(cell.deviation)}" if cell.deviation is not None else ""
    if cell.low is not None and cell.high is not None:
        text += f" [{cell.text(cell.low)}, {cell.text(cell.high)}]"
    return text + (" †" if cell.not_above_floor else "")


def _plain_notes(table: Table, notes: Footnotes) -> list[str]:
    cells = [cell for line in table.lines for cell in line.cells if cell is not None]
    found = (
        ["percent; in brackets the 95 % interval over test patients"] if any(c.low is not None for c in cells) else []
    )
    if any(cell.deviation is not None for cell in cells):
        found.append(_SEEDS_NOTE)
    if any(cell.not_above_floor for cell in cells):
        found.append(_FLOOR_NOTE)
    if any(line.contamination == "overlaps" for line in table.lines):
        found.append("overlaps: the method's pretraining data include this dataset")
    return found + [f"({number}) {clean(note)}" for number, note in enumerate(notes.lines(), start=1)]


def _overview(tables: Mapping[str, list[Table]], tasks: Mapping[str, TaskSpec]) -> str:
    real = [_overview_row(task, found, tasks.get(task)) for task, found in sorted(tables.items()) if _best(found)]
    links = [f"- {_link(task)}" for task, found in sorted(tables.items()) if not _best(found)]
    parts = [_GENERATED, "# Leaderboards", "The best method of each task under its standard recipe, on real data."]
    header = ["task", "dataset", "metric", "best method", "value", "methods"]
    align = ["left", "left", "left", "left", "right", "right"]
    parts.append(markdown_table(header, real, align) if real else "No ranked record on real data yet.")
    if links:
        parts += ["Pages with other recipes, older versions or phantom (generated) data only:", "\n".join(links)]
    return "\n\n".join(parts) + "\n"


def _best(tables: list[Table]) -> Table | None:
    """The task's main table: real, of the present version, recipe ``standard``, and ranked."""
    for table in tables:
        heading = table.heading
        main = not heading.phantom and not heading.set_aside and heading.recipe == "standard"
        if main and any(line.rank == 1 for line in table.lines):
            return table
    return None


def _overview_row(task: str, tables: list[Table], spec: TaskSpec | None) -> list[str]:
    table = _best(tables)
    if table is None or spec is None:
        return [_link(task), "", "", "–", "–", "–"]
    best = [line for line in table.lines if line.rank == 1]
    names = ", ".join(escape(line.name) for line in best)
    column = max(index for index, column in enumerate(table.columns) if column.metric == spec.ranking_metric.name)
    value = _markdown_cell(best[0].cells[column], Footnotes())
    methods = {line.name.partition("@")[0] for line in table.lines if line.kind == "method"}
    if table.columns[column].fraction != 1:
        value += f" ({fraction_name(table.columns[column].fraction)} of the data)"
    return [_link(task), escape(spec.dataset), escape(spec.ranking_metric.title), names, value, str(len(methods))]


def _link(task: str) -> str:
    return f"[{escape(task)}]({page_name(task)})"
