"""The Markdown page of a method: what it is, and a row for each task, recipe, fraction and variant that it has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from medbench.leaderboard.cells import Cell, cell_of
from medbench.leaderboard.grid import (
    FLOOR_NOTE,
    SEEDS_NOTE,
    checkpoint_text,
    footnote_lines,
    interval_legend,
    reported_legend,
    title_of,
)
from medbench.leaderboard.markdown import Markdown
from medbench.leaderboard.reported import Figures, ReportedColumn, asked_of
from medbench.leaderboard.table import Line, Specs, Table
from medbench.leaderboard.task_page import PHANTOM, SET_ASIDE
from medbench.leaderboard.text import (
    NOTE,
    Footnotes,
    Unit,
    escape,
    fraction_name,
    markdown_table,
    name_text,
    numbers,
    page_name,
    shorten,
    web_link,
)
from medbench.specs import MethodSpec, MethodVariant, TaskSpec

_HEADER = ("task", "recipe", "data", "variant", "metric", "value", "n", "seeds", "rank")
_HEADER_END = ("reported", "checkpoint", "medbench", "pretraining")
_ALIGN = ("left", "left", "right", "left", "left", "right", "right", "right", "right", "right", "left", "left", "left")
_SHOWN_VARIANTS = 40


@dataclass(frozen=True, slots=True)
class _Row:
    table: Table
    line: Line
    metric: str
    fraction: float
    cell: Cell | None
    figures: Figures
    unit: Unit


def tables_by_method(tables: Iterable[Table], specs: Specs) -> dict[str, list[Table]]:
    """By id of a method that has a page: the tables that it is in, with its own lines alone.

    Every method with a row has one, and of those that are only reported the ones that a plugin provides.
    """
    found: dict[str, list[Table]] = {}
    ran: set[str] = set()
    for table in tables:
        lines: dict[str, list[Line]] = {}
        for line in table.lines:
            if line.kind in {"method", "reported"}:
                lines.setdefault(line.name.partition("@")[0], []).append(line)
        for method, own in lines.items():
            found.setdefault(method, []).append(replace(table, lines=tuple(own)))
            if any(line.kind == "method" for line in own):
                ran.add(method)
    return {method: found[method] for method in sorted(found) if method in ran or method in specs.methods}


def method_page(method: str, tables: Sequence[Table], specs: Specs) -> str:
    """The page without its mark; ``tables`` are its own (`tables_by_method`), those of reported figures alone too."""
    spec = specs.methods.get(method)
    parts = [f"# {name_text(spec.title if spec else method)}", *_description(method, spec), "[All tasks](../README.md)"]
    real = [table for table in tables if not table.heading.phantom]
    current = [table for table in real if not table.heading.set_aside]
    sections = [
        _section("## Results", "", current, specs),
        _section("## Set aside: other versions of the task", SET_ASIDE, [*_aside(real)], specs),
        _section("## Phantom", PHANTOM, [table for table in tables if table.heading.phantom], specs),
    ]
    return "\n\n".join([*parts, *(text for text in sections if text)]) + "\n"


def _aside(tables: Iterable[Table]) -> Iterable[Table]:
    return (table for table in tables if table.heading.set_aside)


def _description(method: str, spec: MethodSpec | None) -> list[str]:
    if spec is None:
        return [f"Method {name_text(method)}: its plugin is not installed."]
    links = [web_link(url, title) for url, title in ((spec.code_url, "code"), (spec.paper_url, "paper"))]
    pretrained = "not declared" if spec.pretrained_on is None else _datasets(spec.pretrained_on)
    variants = "; ".join(_variant(one) for one in spec.variants[:_SHOWN_VARIANTS])
    if len(spec.variants) > _SHOWN_VARIANTS:
        variants += f"; and {len(spec.variants) - _SHOWN_VARIANTS} more"
    facts = [
        ("Method", name_text(spec.id)),
        ("Licence", name_text(spec.licence, NOTE)),
        ("Pretrained on", name_text(pretrained, NOTE)),
        ("Variants", escape(variants)),
        ("Citation", name_text(spec.citation, NOTE)),
        ("Links", ", ".join(link for link in links if link)),
    ]
    listed = "\n".join(f"- {title}: {text}" for title, text in facts if text)
    return [text for text in (name_text(spec.summary, NOTE), listed) if text]


def _variant(variant: MethodVariant) -> str:
    """Its id and title, and what it was pretrained on where that is its own."""
    own = f", pretrained on {_datasets(variant.pretrained_on)}" if variant.pretrained_on is not None else ""
    return f"{shorten(variant.id)} ({shorten(variant.title + own, NOTE)})"


def _datasets(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"


def _section(title: str, lead: str, tables: Sequence[Table], specs: Specs) -> str:
    rows = [row for table in tables for row in _rows(table, specs.tasks.get(table.heading.task))]
    if not rows:
        return ""
    notes = Footnotes()
    cells = [_cells(row, notes) for row in rows]
    body = markdown_table((*_HEADER, *_HEADER_END), cells, _ALIGN)
    listed = "\n".join(f"- {escape(note)}" for note in [*_legend(rows), *footnote_lines(notes)])
    return "\n\n".join(part for part in (title, lead, body, listed) if part)


def _rows(table: Table, task: TaskSpec | None) -> list[_Row]:
    """By line: the ranking metric (every metric where none is known) at its fractions, then other reported figures, each
    with our number where there is one."""
    ranking = task.ranking_metric.name if task else None
    wanted = [index for index, column in enumerate(table.columns) if ranking in {None, column.metric}]
    found = []
    for line in table.lines:
        figures = {one: own for one, own in zip(table.reported, line.reported, strict=True)} if line.reported else {}
        for index in wanted:
            column, cell = table.columns[index], line.cells[index]
            own: Figures = ()
            for one in list(figures):
                if one.computed and (one.metric, one.fraction) == (column.metric, column.fraction):
                    own += figures.pop(one)
            if cell is not None or own:
                found.append(_Row(table, line, column.title, column.fraction, cell, own, column.unit))
        found += [
            _Row(table, line, one.title, one.fraction, _ours(table, line, one), own, one.unit)
            for one, own in figures.items()
            if own
        ]
    return found


def _ours(table: Table, line: Line, reported: ReportedColumn) -> Cell | None:
    """Our cell of a reported column: the table's, which has a place, or one of a fraction that the table does not show."""
    if not reported.computed:
        return None
    for column, cell in zip(table.columns, line.cells, strict=True):
        if (column.metric, column.fraction) == (reported.metric, reported.fraction):
            return cell
    return cell_of(line.records, asked_of(reported))


def _cells(row: _Row, notes: Footnotes) -> list[str]:
    heading, line, cell = row.table.heading, row.line, row.cell
    dialect = Markdown()
    recipe = heading.recipe + (f", v{heading.version}" if heading.set_aside else "")
    variant = title_of(line).partition("@")[2] or title_of(line)
    ran = line.kind == "method"
    return [
        f"[{name_text(heading.task)}](../{page_name(heading.task)})",
        name_text(recipe),
        fraction_name(row.fraction),
        escape(variant),
        name_text(row.metric),
        "–" if cell is None else dialect.cell(cell, notes, aside=False),
        numbers(line.test_n) if ran else "",
        ("–" if cell is None else str(cell.seeds)) if ran else "",
        str(cell.place) if cell is not None and cell.place else "–",
        dialect.figures(row.figures, row.unit, notes) if row.figures else "–",
        escape(checkpoint_text(line.checkpoint)) if ran else "",
        name_text(", ".join(line.versions)) if ran else "",
        line.contamination,
    ]


def _legend(rows: Sequence[_Row]) -> list[str]:
    cells = [row.cell for row in rows if row.cell is not None]
    found = interval_legend(cells)
    if any(cell.deviation is not None for cell in cells):
        found.append(SEEDS_NOTE)
    if any(cell.not_above_floor for cell in cells):
        found.append(FLOOR_NOTE.partition(" (")[0])
    if cells:
        found.append("rank and bold are those of the task's page, in the column of that fraction")
    return found + reported_legend((row.figures, row.unit) for row in rows)
