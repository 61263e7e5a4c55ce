"""Writing files so that a kill or a full disk leaves the old content or the new, never half of either."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from medbench.errors import StoreError

_PREFIX = ".partial-"


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, sync it and rename it over ``path``.

    Raises `StoreError` where the disk is full or not writable; the temporary file is then removed.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"{_PREFIX}{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        reason = error.strerror or " ".join(str(error).split())
        raise StoreError(f"cannot write {path}: {reason}", fix="free some space or choose another folder") from error
    except BaseException:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    """The process's file mode mask; the system only tells it in exchange for another."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """`write_atomically` for bytes in memory."""
    write_atomically(path, lambda temporary: temporary.write_bytes(data))


def remove_partial_files(folder: Path, stem: str | None = None) -> None:
    """Remove what a killed process left half-written, for ``stem`` or for all; only call while holding the lock."""
    for path in folder.glob(f"{_PREFIX}*" if stem is None else f"{_PREFIX}{stem}-*"):
        path.unlink(missing_ok=True)
