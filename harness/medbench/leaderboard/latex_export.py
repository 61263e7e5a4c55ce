r"""The leaderboard as LaTeX: a file a task, ready for ``\input`` in a document that loads ``booktabs``.

Real data of the present version alone: phantom numbers say nothing, and are not to be pasted into a paper.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from medbench.leaderboard.cells import Cell
from medbench.leaderboard.grid import grid_of, spread, title_of
from medbench.leaderboard.latex_text import latex_escape
from medbench.leaderboard.markdown import figure_notes, figure_text
from medbench.leaderboard.reported import Figures
from medbench.leaderboard.table import Line, Table
from medbench.leaderboard.text import Footnotes, Unit, page_name, shorten
from medbench.specs import TaskSpec

LATEX_MARK = "% Made by `medbench leaderboard build` from the records; do not edit. Needs \\usepackage{booktabs}."
FOLDER = "latex"


class Latex:
    """The best in bold, the second underlined, floors in italics, footnotes raised."""

    def text(self, text: str) -> str:
        return latex_escape(text)

    def name(self, line: Line) -> str:
        name = latex_escape(title_of(line))
        if line.kind == "reported":
            return f"{name} (reported)"
        return name if line.kind == "method" else rf"\emph{{{name}}}" + (" (ceiling)" if line.kind == "ceiling" else "")

    def cell(self, cell: Cell, notes: Footnotes, *, aside: bool) -> str:
        marks = "".join(rf"\textsuperscript{{{notes.number(note)}}}" for note in cell.notes)
        if cell.value is None:
            return f"--{marks}"
        value, wide = cell.text(cell.value), latex_escape(spread(cell))
        rest = f" {wide}" if wide else ""
        if aside:
            return rf"\emph{{{value}{rest}}}{marks}"
        value = rf"\textbf{{{value}}}" if cell.tied else rf"\underline{{{value}}}" if cell.place == 2 else value
        return value + rest + marks

    def figures(self, figures: Figures, unit: Unit, notes: Footnotes) -> str:
        return "; ".join(
            latex_escape(figure_text(one, unit)) + rf"\textsuperscript{{{','.join(figure_notes(one, notes))}}}"
            for one in figures
        )


def latex_files(tables: Iterable[Table], tasks: Mapping[str, TaskSpec]) -> dict[str, str]:
    """``latex/<task>.tex`` -> text, for each task with a table of real data and the present version."""
    found: dict[str, list[str]] = {}
    for table in tables:
        if not table.heading.phantom and not table.heading.set_aside:
            parts = found.setdefault(table.heading.task, [])
            parts.append(_table(table, tasks.get(table.heading.task), len(parts) + 1))
    return {
        f"{FOLDER}/{page_name(task).removesuffix('.md')}.tex": "\n\n".join([LATEX_MARK, *parts]) + "\n"
        for task, parts in sorted(found.items())
    }


def _table(table: Table, task: TaskSpec | None, number: int) -> str:
    grid = grid_of(table, Latex())
    heading = table.heading
    parts = [f"recipe {shorten(heading.recipe)}", f"split {shorten(heading.split)}"]
    parts.append(f"data {heading.data}" if heading.data else "reported figures")
    caption = f"{shorten(task.title if task else heading.task)}: {', '.join(parts)}."
    label = re.sub(r"[^a-z0-9]+", "-", page_name(heading.task).removesuffix(".md")).strip("-")
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_escape(caption)}}}",
        rf"\label{{tab:{label}-{number}}}",
        rf"\begin{{tabular}}{{{''.join('r' if one == 'right' else 'l' for one in grid.align)}}}",
        r"\toprule",
        _row(grid.header),
        r"\midrule",
        *(_row(row) for row in grid.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    if grid.notes:
        lines += ["", r"\footnotesize", *(rf"{latex_escape(note)}\par" for note in grid.notes)]
    return "\n".join([*lines, r"\end{table}"])


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
