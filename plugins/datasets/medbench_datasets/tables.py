"""Reading the CSV files that datasets ship: header cells stripped, required columns checked, every row with its line."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

from medbench.errors import MissingDataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class TableRow(NamedTuple):
    """A row's cells by column, stripped ('' where the row is short), and the line of the file it ends on."""

    line: int
    cells: Mapping[str, str]


def read_csv(path: Path, required: Sequence[str]) -> list[TableRow]:
    """The rows of a UTF-8 CSV file.

    Spaces around header names and cells are dropped (one official header reads `` EncodedPixels``). Raises
    `MissingDataError` where the file is absent, is not CSV text, or lacks one of the ``required`` columns.
    """
    if not path.is_file():
        raise MissingDataError(f"{path} is missing", fix=f"put the official {path.name} there")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            _check_columns(path, header, required)
            return [TableRow(reader.line_num, _cells(header, row)) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise MissingDataError(f"{path} is not readable CSV text ({error})", fix="download the file again") from error


def is_file_name(cell: str) -> bool:
    """Whether a cell can stand as a bare file name: not empty, and without a way to another folder."""
    return cell not in {"", ".", ".."} and not any(mark in cell for mark in "/\\\0")


def _check_columns(path: Path, header: Sequence[str], required: Sequence[str]) -> None:
    missing = [name for name in required if name not in header]
    if missing:
        raise MissingDataError(
            f"{path} has no column {', '.join(repr(name) for name in missing)}; it has {', '.join(header) or 'none'}",
            fix=f"the official file has {', '.join(required)}",
        )


def _cells(header: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    padded = [*row, *[""] * (len(header) - len(row))]
    return {name: cell.strip() for name, cell in zip(header, padded, strict=False)}
