"""Annotation files that are one JSON list of objects, packed by gzip or not."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from medbench.errors import MissingDataError
from medbench.samples import Problem
from medbench_datasets.packed import find_file, open_unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LARGEST = 1 << 30
"""Bytes of the largest file that is read, once unpacked: far more than any official one, and a machine can hold it."""


class JsonRow(NamedTuple):
    """An object of the list, and where it stands: ``train.json[12]``, counted from 0."""

    where: str
    cells: Mapping[str, Any]


def find_json(root: Path, stem: str) -> Path | None:
    """``<stem>.json`` or else ``<stem>.json.gz`` in ``root``, whichever is there."""
    return find_file(root, f"{stem}.json")


def read_json(path: Path) -> Any:
    """What a UTF-8 JSON file holds, a byte order mark or not, packed by gzip where its name ends in ``.gz``.

    Raises `MissingDataError` where it is absent, cut short or not JSON (with the position), or unpacks to more than
    `LARGEST` bytes.
    """
    with open_unpacked(path) as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise MissingDataError(f"{path} holds more than {LARGEST:,} bytes of JSON", fix="get the official file")
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise MissingDataError(f"{path} is not JSON ({error})", fix="download the file again") from error


def json_rows(path: Path, listed: Any, problems: list[Problem]) -> list[JsonRow]:
    """The objects of ``listed``, which stood in ``path``; what is none of them is reported and passed over.

    Raises `MissingDataError` where it is no list.
    """
    if not isinstance(listed, list):
        raise MissingDataError(
            f"{path} holds no list but a {type(listed).__name__}", fix=f"put the official {path.name} there"
        )
    rows = []
    for index, one in enumerate(listed):
        where = f"{path.name}[{index}]"
        if isinstance(one, dict):
            rows.append(JsonRow(where, one))
        else:
            problems.append(Problem("bad-row", where, f"a {type(one).__name__} and no object; passed over"))
    return rows


def words_of(value: Any) -> str | None:
    """A text without blanks at its ends, '' for null; None for anything else, numbers too."""
    return text_of(value) if value is None or isinstance(value, str) else None


def text_of(value: Any) -> str | None:
    """A text without blanks at its ends, or a number as it is written (2.0 as 2); '' for null; None for anything else."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)
