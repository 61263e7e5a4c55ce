"""Spoiling a phantom's files, for tests of what a reader makes of them."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from medbench.samples import RawDataset

Rows = list[list[str]]


def edit_csv(path: Path, edit: Callable[[Rows], None]) -> None:
    """Rewrite a CSV file after ``edit`` changed its rows, the header first, in place."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    edit(rows)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def kinds(raw: RawDataset) -> list[str]:
    """The kinds of the problems met, without that of the count, which a phantom always has."""
    return [problem.kind for problem in raw.problems if problem.kind != "count"]
