"""Files that appear whole or not at all, and one line where a disk does not take them."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from medbench.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that is called ``path`` once it is closed, and leaves nothing behind where the disk fails.

    Raises `StoreError` for any `OSError` of the block, a full disk above all.
    """
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):  # the first failure is the one to tell
            partial.unlink(missing_ok=True)
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}", fix="free some space or choose another --cache"
        ) from error
