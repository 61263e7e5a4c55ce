"""Reading a user's table of labels as a whole: its text, its header, and which column means what.

What cannot be understood is refused with a line that says what to change, since nobody but the user can.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medbench.errors import MissingDataError
from medbench_datasets.cells import is_blank, read_label
from medbench_datasets.names import is_plain_text
from medbench_datasets.tables import TableRow

if TYPE_CHECKING:
    from pathlib import Path

RESERVED = ("image", "label", "patient", "split", "sex", "age", "view")
ATTRIBUTES = ("sex", "age", "view")
IGNORED_PREFIXES = ("_", "Unnamed:")
"""The second is what pandas calls a column of row numbers."""
SEPARATORS = ";\t|"
LIKE_IMAGE = ("file", "filename", "file_name", "path", "image_path", "image_id", "img", "filepath", "name")
TOLERATED_SHARE = 0.1
"""With more cells than this that are no value, a column is taken for something other than a label."""

_CODE = re.compile(r"-?\w[\w -]*(\.0*)?\Z")
"""An integer or words, as a class may be called."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The header's own name of each column that is read; '' or empty where it has none."""

    image: str
    label: str
    patient: str
    split: str
    attributes: Mapping[str, str]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelTable:
    """A table's columns and rows; cells are stripped."""

    columns: Columns
    rows: tuple[TableRow, ...]


def read_table(path: Path) -> LabelTable:
    """The table at ``path``: UTF-8 CSV with commas, a byte-order mark allowed.

    Raises `MissingDataError` where it is absent, empty, in another encoding, or set apart by other marks than commas; has
    no column for images or for labels, or two of one name; or has a column that is neither known nor a label.
    """
    (_, header), *lines = _lines(path)
    _check_header(path, header)
    rows = tuple(_row(path, header, line, cells) for line, cells in lines)
    columns = _columns(path, header)
    for name in columns.labels:
        _check_label_column(path, name, rows)
    return LabelTable(columns, rows)


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Lines that are not blank, the header first, each with its number and its stripped cells; two at the least."""
    if not path.is_file():
        raise MissingDataError(f"{path} is missing", fix="write one with columns image and label, a row for each image")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except (UnicodeDecodeError, csv.Error) as error:
        raise MissingDataError(f"{path} is not UTF-8 CSV text ({error})", fix="save it as CSV UTF-8") from error
    if len(lines) < 2:
        found = "has a header but no rows" if lines else "is empty"
        raise MissingDataError(f"{path} {found}", fix="it needs a header and a row for each image")
    return lines


def _row(path: Path, header: Sequence[str], line: int, cells: Sequence[str]) -> TableRow:
    if any(cells[len(header) :]):
        raise MissingDataError(
            f"line {line} of {path} has {len(cells)} cells, the header {len(header)}",
            fix='put text that holds a comma into double quotes ("a, b")',
        )
    padded = [*cells, *[""] * (len(header) - len(cells))]
    return TableRow(line, dict(zip(header, padded, strict=False)))


def _check_header(path: Path, header: Sequence[str]) -> None:
    mark = next((mark for mark in SEPARATORS if mark in header[0]), None)
    if len(header) == 1 and mark is not None:
        raise MissingDataError(f"{path} is separated by {mark!r}", fix="save it with commas")
    counts = Counter(name.casefold() if name.casefold() in RESERVED else name for name in header if not _ignored(name))
    twice = [name for name, times in counts.items() if times > 1]
    if twice:
        raise MissingDataError(f"{path} has two columns '{twice[0]}'", fix="keep one, or rename it")
    unfit = [name for name in header if not is_plain_text(name)]
    if unfit:
        raise MissingDataError(f"a column name of {path} has control characters: {unfit[0]!r}", fix="rename it")


def _columns(path: Path, header: Sequence[str]) -> Columns:
    known = {name.casefold(): name for name in header if name.casefold() in RESERVED}
    labels = tuple(name for name in header if name.casefold() not in RESERVED and not _ignored(name))
    if "image" not in known:
        near = next((name for name in header if name.casefold() in LIKE_IMAGE), None)
        fix = f"rename '{near}' to 'image'" if near else "add it, with the path of each image"
        raise MissingDataError(f"{path} has no column 'image'; it has {', '.join(header)}", fix=fix)
    if "label" in known and labels:
        raise MissingDataError(
            f"{path} has a column 'label' and also {', '.join(repr(name) for name in labels[:3])}",
            fix=f"rename '{labels[0]}' to '_{labels[0]}' to have it ignored, or take 'label' out",
        )
    if "label" not in known and not labels:
        raise MissingDataError(
            f"{path} has no label", fix="add a column 'label' with class names, or one for each label with 1 and 0"
        )
    return Columns(
        image=known["image"],
        label=known.get("label", ""),
        patient=known.get("patient", ""),
        split=known.get("split", ""),
        attributes={name: known[name] for name in ATTRIBUTES if name in known},
        labels=labels,
    )


def _check_label_column(path: Path, name: str, rows: Sequence[TableRow]) -> None:
    """Refuse a column that cannot be a label; a few cells that are no value are errors of their rows.

    Many such cells tell it, and so does each of them coming again: 0, 1 and a rare 2 are classes.
    """
    given = [row for row in rows if not is_blank(row.cells[name])]
    wrong = [row for row in given if not _is_label(row.cells[name])]
    if len(wrong) > TOLERATED_SHARE * len(given) or _are_classes([row.cells[name] for row in wrong]):
        cell = wrong[0].cells[name][:40]
        raise MissingDataError(
            f"column '{name}' of {path} holds '{cell}' (line {wrong[0].line}), not 1, 0, -1 or nothing",
            fix=f"rename it to 'label' if it names the class, or to '_{name}' to have it ignored; leave what is unknown empty",
        )


def _is_label(cell: str) -> bool:
    try:
        read_label(cell)
    except ValueError:
        return False
    return True


def _are_classes(cells: Sequence[str]) -> bool:
    """Whether each of these cells is an integer or words and stands in several rows."""
    times = Counter(cells)
    return bool(times) and min(times.values()) > 1 and all(_CODE.match(cell) for cell in times)


def _ignored(name: str) -> bool:
    return not name or name.startswith(IGNORED_PREFIXES)
