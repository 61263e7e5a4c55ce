"""The marks that cells get from the others of their column: the place, and whether they share the best's bold."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from medbench.leaderboard.cells import Cell, Column
from medbench.leaderboard.significance import verdicts
from medbench.records import Record

Cells = tuple[Cell | None, ...]


def marked(rows: Sequence[Cells], members: Sequence[Sequence[Record]], columns: Sequence[Column]) -> list[Cells]:
    """The cells of ``rows`` with their marks; ``members`` are each row's records. Equal as printed is an equal place."""
    found = [list(cells) for cells in rows]
    for index, column in enumerate(columns):
        if column.higher_is_better is not None:
            cells = [row[index] for row in rows]
            for row, cell in zip(found, _column(cells, members, column, column.higher_is_better), strict=True):
                row[index] = cell
    return [tuple(row) for row in found]


def _column(
    cells: Sequence[Cell | None], members: Sequence[Sequence[Record]], column: Column, higher_is_better: bool
) -> list[Cell | None]:
    sign = -1 if higher_is_better else 1
    scores = [None if cell is None or cell.value is None else sign * _printed(cell) for cell in cells]
    order = sorted(score for score in scores if score is not None)
    marked: list[Cell | None] = []
    for cell, score, verdict in zip(cells, scores, verdicts(members, cells, column), strict=True):
        if cell is None or score is None:
            marked.append(cell)
            continue
        place = 1 + bisect_left(order, score)
        marked.append(
            replace(
                cell,
                place=place,
                tied=place == 1 if verdict is None or verdict.p is None else verdict.tied,
                p_value=verdict.p if verdict else None,
                untested=verdict.reason if verdict else "",
            )
        )
    return marked


def _printed(cell: Cell) -> float:
    return float(cell.text(cell.value or 0.0).replace(",", ""))
