"""The tables of MIMIC-CXR-JPG, which come as ``.csv.gz`` and are often unpacked to ``.csv``."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from medbench.errors import MissingDataError
from medbench_datasets.tables import read_csv

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medbench_datasets.tables import TableRow


class _GzipPath(type(Path())):  # type: ignore[misc]
    """A path whose text is read unpacked."""

    def open(self, *_: Any, encoding: str, newline: str) -> IO[str]:
        return gzip.open(Path(self), "rt", encoding=encoding, newline=newline)


def find_table(root: Path, stem: str) -> Path | None:
    """``<stem>.csv`` or else ``<stem>.csv.gz`` in ``root``, whichever is there."""
    found = (root / f"{stem}{suffix}" for suffix in (".csv", ".csv.gz"))
    return next((path for path in found if path.is_file()), None)


def read_table(path: Path, required: Sequence[str]) -> list[TableRow]:
    """The rows of a CSV file, packed or not, as `medbench_datasets.tables.read_csv` gives them, and with its errors."""
    if path.suffix != ".gz":
        return read_csv(path, required)
    try:
        return read_csv(_GzipPath(path), required)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise MissingDataError(f"{path} is not a whole gzip file ({error})", fix="download the file again") from error
