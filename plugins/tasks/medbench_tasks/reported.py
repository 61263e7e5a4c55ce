"""Figures that papers print for our tasks, read from ``reported.csv`` beside this module.

A row is one figure: the ``task``; the ``method`` as ``id@variant`` where it is a registered one, else the name that the work
prints, with the work in brackets; the ``metric``, and a ``metric_title`` where the task does not compute it; the ``fraction``
of the training part; the ``recipe``; ``value`` and ``deviation`` as shares of 1; the ``source``; ``comparable``, yes or no; and
a ``note``. Only figures that could be checked against a document are there; where that is a reprint, the source says so. None
is from memory, and a dash of a table (below 1 %) is no figure.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from medbench.errors import PluginError
from medbench.leaderboard.text import NOTE, clean
from medbench.specs import ReportedResult

FILE = Path(__file__).with_name("reported.csv")
COLUMNS = (
    *("task", "method", "metric", "metric_title", "fraction", "recipe"),
    *("value", "deviation", "source", "comparable", "note"),
)
_ANSWERS = MappingProxyType({"yes": True, "no": False})


def read_reported(path: Path) -> Mapping[str, tuple[ReportedResult, ...]]:
    """The figures of each task in the order of the file.

    Raises `PluginError`, naming the line, for other columns than `COLUMNS`, an empty cell that is needed, a number that is
    none, a share out of range, a source or note too long to be shown whole, and a figure given twice.
    """
    found: defaultdict[str, list[ReportedResult]] = defaultdict(list)
    seen: set[tuple[str | float, ...]] = set()
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, strict=True)
        if tuple(next(reader, ())) != COLUMNS:
            raise PluginError(f"{path.name} has other columns than it should", fix=f"use {', '.join(COLUMNS)}")
        for cells in reader:
            try:
                task, figure = _figure(cells)
            except ValueError as problem:
                raise PluginError(f"{path.name}, line {reader.line_num}: {problem}") from None
            identity = (task, figure.method, figure.metric, figure.fraction, figure.recipe, figure.source)
            if identity in seen:
                raise PluginError(f"{path.name}, line {reader.line_num}: this figure is there already")
            seen.add(identity)
            found[task].append(figure)
    return MappingProxyType({task: tuple(figures) for task, figures in found.items()})


def _figure(cells: list[str]) -> tuple[str, ReportedResult]:
    """The task and its figure. Raises `ValueError` with what is wrong."""
    if len(cells) != len(COLUMNS):
        raise ValueError(f"{len(cells)} cells, {len(COLUMNS)} are expected")
    task, method, metric, title, fraction, recipe, value, deviation, source, comparable, note = cells
    if not (task and method and metric and recipe and source):
        raise ValueError("task, method, metric, recipe and source must not be empty")
    if len(clean(source)) > NOTE or len(clean(note)) > NOTE:
        raise ValueError(f"a source and a note have at most {NOTE} characters, longer ones are cut on the page")
    if comparable not in _ANSWERS:
        raise ValueError(f"comparable is yes or no, not {comparable!r}")
    return task, ReportedResult(
        method=method,
        metric=metric,
        value=_share("value", value),
        fraction=_share("fraction", fraction),
        recipe=recipe,
        source=source,
        deviation=_share("deviation", deviation) if deviation else None,
        note=note,
        comparable=_ANSWERS[comparable],
        metric_title=title,
    )


def _share(column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ValueError(f"{column} is a share of 1 (0.881 for 88.1 %), not {cell!r}")
    return value


BY_TASK = read_reported(FILE)
"""By task id, read once."""
