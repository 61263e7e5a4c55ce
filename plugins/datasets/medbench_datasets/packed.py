"""Files that a dataset ships plain or packed by gzip: finding one in either form, and opening it."""

from __future__ import annotations

import gzip
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from medbench.errors import MissingDataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader
    from pathlib import Path

PACKED = ".gz"


def find_file(root: Path, name: str) -> Path | None:
    """``name`` or else ``<name>.gz`` in ``root``, whichever is there."""
    found = (root / f"{name}{ending}" for ending in ("", PACKED))
    return next((path for path in found if path.is_file()), None)


@contextmanager
def open_unpacked(path: Path) -> Iterator[gzip.GzipFile | BufferedReader]:
    """The bytes of a file, unpacked on the way where its name ends in ``.gz``.

    Raises `MissingDataError` where it is absent, or turns out, while it is read, to be no whole gzip file.
    """
    if not path.is_file():
        raise MissingDataError(f"{path} is missing", fix=f"put the official {path.name} there")
    try:
        with gzip.open(path, "rb") if path.suffix == PACKED else path.open("rb") as file:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise MissingDataError(f"{path} is not a whole gzip file ({error})", fix="download the file again") from error
