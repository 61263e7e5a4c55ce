"""Reading the CSV files that datasets ship: header cells stripped, required columns checked, every row with its line."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, NamedTuple

from medbench.errors import MissingDataError
from medbench_datasets.names import is_too_long
from medbench_datasets.packed import find_file, open_unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SURPLUS = "the row has more cells than the header"

_ROOM_FOR_ENDING = 10


class TableRow(NamedTuple):
    """A row's cells by column, stripped ('' where the row is short), and the line of the file it ends on.

    ``surplus`` is true where a cell beyond the header holds something: a comma too many has moved the cells, and the row
    cannot be trusted.
    """

    line: int
    cells: Mapping[str, str]
    surplus: bool = False


def find_table(root: Path, stem: str) -> Path | None:
    """``<stem>.csv`` or else ``<stem>.csv.gz`` in ``root``, whichever is there."""
    return find_file(root, f"{stem}.csv")


def read_csv(path: Path, required: Sequence[str]) -> list[TableRow]:
    """The rows of a UTF-8 CSV file, packed by gzip where its name ends in ``.gz``.

    Spaces around header names and cells are dropped (one official header reads `` EncodedPixels``). Raises
    `MissingDataError` where the file is absent, is not CSV text, or lacks one of the ``required`` columns.
    """
    try:
        with open_unpacked(path) as file:
            reader = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), strict=True)
            header = [name.strip() for name in next(reader, [])]
            _check_columns(path, header, required)
            return [_row(reader.line_num, header, row) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise MissingDataError(f"{path} is not readable CSV text ({error})", fix="download the file again") from error


def is_file_name(cell: str) -> bool:
    """Whether a cell can be a bare file name, an ending still to come: not empty, too long, or a way to another folder."""
    outside = cell in {"", ".", ".."} or any(mark in cell for mark in "/\\\0")
    return not outside and not is_too_long(cell, _ROOM_FOR_ENDING)


def _check_columns(path: Path, header: Sequence[str], required: Sequence[str]) -> None:
    missing = [name for name in required if name not in header]
    if missing:
        raise MissingDataError(
            f"{path} has no column {', '.join(repr(name) for name in missing)}; it has {', '.join(header) or 'none'}",
            fix=f"the official file has {', '.join(required)}",
        )


def _row(line: int, header: Sequence[str], row: Sequence[str]) -> TableRow:
    padded = [*row, *[""] * (len(header) - len(row))]
    cells = {name: cell.strip() for name, cell in zip(header, padded, strict=False)}
    return TableRow(line, cells, any(cell.strip() for cell in row[len(header) :]))
