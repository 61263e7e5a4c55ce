"""A folder of append-only segments that name their own digest: a kill loses one, damage is seen, and reading needs no lock.

<folder>/entry.json                            what the folder's key is
<folder>/<number>-<digest>.safetensors         a segment, never changed once it has its name
<folder>.lock                                  held by the process that adds or removes
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import xxhash
from filelock import FileLock, Timeout

from medbench.errors import StoreError
from medbench.files import remove_partial_files, write_atomically, write_bytes_atomically

ENTRY = "entry.json"
_NAME = re.compile(r"(\d+)-([0-9a-f]{32})\.safetensors")
_CHUNK = 1 << 20

Index = TypeVar("Index")
T = TypeVar("T")


class Segments(Generic[Index]):
    """The segments of one folder, and of a folder ``beneath`` it that is only read; ``known`` has what ``read`` tells of each.

    ``read`` raises `ValueError` where a segment is damaged. Without the lock nothing is changed on the disk, and what cannot
    be read is left aside. ``damaged`` counts the segments that were found damaged under the lock, and removed.
    """

    def __init__(
        self, folder: Path, key: dict[str, Any], read: Callable[[Path], Index], *, beneath: Path | None = None
    ) -> None:
        self.folder = folder
        self.key = key
        self.damaged = 0
        self.known: dict[Path, Index] = {}
        self._read = read
        self._beneath = beneath
        self._is_ours = False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with the folder among all processes; what an earlier one left half-written is cleared.

        Raises `StoreError` where the lock cannot be had, or a segment not be read.
        """
        with self._held(blocking=True):
            yield

    @contextmanager
    def locked_if_free(self) -> Iterator[bool]:
        """As `locked`, where that can be had at once; gives whether it is ours. Never waits, so that nobody waits in a ring."""
        with ExitStack() as locks:
            ours = False
            with suppress(StoreError):
                locks.enter_context(self._held(blocking=False))
                ours = True
            yield ours

    def look(self) -> None:
        """Read anew which segments there are; needs no lock."""
        self.known = {}
        for folder in filter(None, (self._beneath, self.folder)):
            for path in segment_paths(folder):
                index = self.tried(path, self._read)
                if index is not None:
                    self.known[path] = index
        with suppress(OSError):
            os.utime(self.folder / ENTRY)

    def add(self, data: bytes, index: Index) -> Path:
        """Write a segment and know it; needs the lock. Raises `StoreError` where the disk does not take it."""
        own = (path for path in self.known if path.parent == self.folder)
        number = 1 + max((int(path.name.partition("-")[0]) for path in own), default=0)
        path = self.folder / f"{number:06d}-{xxhash.xxh3_128_hexdigest(data)}.safetensors"
        # Not through a memory map: a full disk would end the process with SIGBUS in place of an error.
        write_atomically(path, lambda partial: partial.write_bytes(data))
        self.known[path] = index
        return path

    def take_back(self, path: Path) -> None:
        """Remove a segment that was added under this lock."""
        self.known.pop(path, None)
        with suppress(OSError):
            path.unlink()

    def tried(self, path: Path, call: Callable[[Path], T]) -> T | None:
        """What ``call`` gives of a segment; None where it is damaged (`ValueError`) or gone, which is then left aside.

        Raises `StoreError` where under the lock it cannot be read: the file may be sound, and is left as it is.
        """
        try:
            return call(path)
        except ValueError:
            if self._is_ours and path.parent == self.folder:
                self.damaged += 1
                with suppress(OSError):
                    path.unlink()
        except FileNotFoundError:  # removed by another process since it was listed
            pass
        except OSError as error:
            if self._is_ours and path.parent == self.folder:
                raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
        self.known.pop(path, None)
        return None

    @contextmanager
    def _held(self, *, blocking: bool) -> Iterator[None]:
        lock = FileLock(self.folder.with_suffix(".lock"))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=blocking)
        except (OSError, NotImplementedError) as error:  # the latter where the file system has no locks
            raise StoreError(f"cannot lock {self.folder}: {error}", fix="choose another cache folder") from error
        self._is_ours = True
        try:
            if not (self.folder / ENTRY).is_file():
                write_bytes_atomically(self.folder / ENTRY, json.dumps(self.key, indent=1).encode())
            with suppress(OSError):
                remove_partial_files(self.folder)
            self.look()
            yield
        finally:
            self._is_ours = False
            lock.release()


def segment_paths(folder: Path) -> list[Path]:
    """The segments of a folder by number; of any other file nothing is known."""
    return sorted(path for path in folder.glob("[0-9]*.safetensors") if _NAME.fullmatch(path.name))


def check_whole(path: Path) -> Path:
    """The segment, which has the content that its name tells; raises `ValueError` where it has not, `OSError`.

    A file that was found whole is not read again by this process until it changes.
    """
    stat = path.stat()
    if not _is_whole(path, stat.st_ino, stat.st_size, stat.st_mtime_ns):
        raise ValueError(f"{path} has another content than its name tells")
    return path


def checked_bytes(path: Path) -> bytes:
    """A segment's content. Raises as `check_whole`."""
    data = path.read_bytes()
    if xxhash.xxh3_128_hexdigest(data) != _told_digest(path):
        raise ValueError(f"{path} has another content than its name tells")
    return data


@dataclass(frozen=True, slots=True)
class Entry:
    """What `medbench cache ls` shows of a folder: what it is of, its size in bytes and rows, and its last use."""

    folder: Path
    key: dict[str, Any]
    rows: int
    size: int
    used: float

    def remove(self) -> None:
        """Delete the folder. Raises `StoreError` where that is not allowed, or another process fills it just now."""
        try:
            with FileLock(self.folder.with_suffix(".lock"), timeout=0):
                shutil.rmtree(self.folder)
        except Timeout as error:
            raise StoreError(f"{self.folder} is in use", fix="try again once its trial is over") from error
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise StoreError(f"cannot remove {self.folder}: {reason}") from error
        # The lock file stays: whoever waits for it must not be left alone with a deleted one.


def entries_of(root: Path, rows: Callable[[Path], int]) -> list[Entry]:
    """Every folder under ``root``, last used first; one without a readable key has an empty one.

    ``rows`` counts those of a segment, and may raise `OSError` or `ValueError`: such a one has none.
    """
    found = []
    for folder in root.glob("*"):
        if not folder.is_dir():
            continue
        with suppress(FileNotFoundError):  # another process removes it just now
            used = folder.stat().st_mtime
            key: dict[str, Any] = {}
            with suppress(OSError, ValueError):
                read = json.loads((folder / ENTRY).read_text())
                key = read if isinstance(read, dict) else {}
                used = (folder / ENTRY).stat().st_mtime
            count = size = 0
            for path in segment_paths(folder):
                with suppress(OSError, ValueError):
                    size += path.stat().st_size
                    count += rows(path)
            found.append(Entry(folder, key, count, size, used))
    return sorted(found, key=lambda entry: (-entry.used, entry.folder.name))


@lru_cache(maxsize=1 << 16)
def _is_whole(path: Path, inode: int, size: int, changed: int) -> bool:
    """Whether the digest is right of the file that is told apart by the other three."""
    hasher = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest() == _told_digest(path)


def _told_digest(path: Path) -> str:
    return path.stem.partition("-")[2]
