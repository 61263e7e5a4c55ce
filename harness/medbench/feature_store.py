"""Features on disk: append-only segments that name their own digest, so that a kill loses one and damage is seen.

<cache>/features/<key>/entry.json                what the key stands for
<cache>/features/<key>/<number>-<digest>.safetensors
                                                 some ids (in the header) and their rows
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from medbench.errors import StoreError
from medbench.files import remove_partial_files, write_atomically, write_bytes_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ENTRY = "entry.json"
_SUFFIX = ".safetensors"
_DIGITS = 32
_HEADER_LIMIT = 100_000_000


class FeatureStore:
    """One entry: rows of one shape by id. Every call but the constructor needs the lock.

    ``damaged`` counts the segments that were found damaged, and removed.
    """

    def __init__(self, folder: Path, key: dict[str, Any]) -> None:
        self.folder = folder
        self._key = key
        self.damaged = 0
        self._segments: dict[Path, list[str]] = {}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with the entry among all processes; what an earlier one left half-written is cleared."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder.with_suffix(".lock")):
            remove_partial_files(self.folder)
            self._segments = {}
            for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
                ids = _read_ids(path)
                if ids is None:
                    self._discard(path)
                else:
                    self._segments[path] = ids
            entry = self.folder / _ENTRY
            if entry.is_file():
                os.utime(entry)
            else:
                write_bytes_atomically(entry, json.dumps(self._key, indent=1).encode())
            yield

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Those of ``ids`` that no segment has, each once, in order."""
        known = {one for held in self._segments.values() for one in held}
        return [one for one in dict.fromkeys(ids) if one not in known]

    def append(self, ids: Sequence[str], rows: NDArray[np.float32]) -> None:
        """Keep ``rows`` (n, ...) of n ``ids``. Raises `StoreError` where the disk does not take them."""
        from safetensors.numpy import save

        data = save({"rows": np.ascontiguousarray(rows, np.float32)}, metadata={"ids": json.dumps(list(ids))})
        number = 1 + max((int(path.name.partition("-")[0]) for path in self._segments), default=0)
        path = self.folder / f"{number:06d}-{_digest(data)}{_SUFFIX}"
        write_atomically(path, lambda partial: partial.write_bytes(data))
        self._segments[path] = list(ids)

    def gather(self, ids: Sequence[str]) -> NDArray[np.float32] | None:
        """The rows of ``ids`` (N, ...), in order; None where a segment was damaged, which is then gone."""
        from safetensors.numpy import load

        if not ids:
            return np.zeros((0, 0), np.float32)
        places: dict[str, list[int]] = {}
        for place, one in enumerate(ids):
            places.setdefault(one, []).append(place)
        rows: NDArray[np.float32] | None = None
        intact = True
        held: set[str] = set()
        for path, members in list(self._segments.items()):
            wanted = [(index, places[one]) for index, one in enumerate(members) if one in places]
            if not wanted:
                continue
            held.update(members)
            data = path.read_bytes()
            if _digest(data) != path.stem.partition("-")[2]:
                self._discard(path)
                intact = False
                continue
            values = load(data)["rows"]
            if rows is None:
                rows = np.empty((len(ids), *values.shape[1:]), np.float32)
            source = [index for index, where in wanted for _ in where]
            rows[[one for _, where in wanted for one in where]] = values[source]
        if intact and not held.issuperset(ids):
            raise StoreError(f"{self.folder} lacks rows that were just written", fix="medbench cache gc --all")
        return rows if intact else None

    def mapped(self, ids: Sequence[str]) -> MappedRows | None:
        """The rows of ``ids``, in order, left on the disk; None where a segment was damaged, which is then gone."""
        wanted = set(ids)
        places: dict[str, tuple[int, int]] = {}
        segments: list[NDArray[np.float32]] = []
        intact = True
        for path, members in list(self._segments.items()):
            if wanted.isdisjoint(members):
                continue
            with path.open("rb") as file:
                whole = hashlib.file_digest(file, _hasher).hexdigest() == path.stem.partition("-")[2]
            if not whole:
                self._discard(path)
                intact = False
                continue
            places |= {one: (len(segments), index) for index, one in enumerate(members)}
            segments.append(_map(path))
        if intact and not wanted <= places.keys():
            raise StoreError(f"{self.folder} lacks rows that were just written", fix="medbench cache gc --all")
        return MappedRows(segments, [places[one] for one in ids]) if intact else None

    def _discard(self, path: Path) -> None:
        self._segments.pop(path, None)
        path.unlink(missing_ok=True)
        self.damaged += 1


@dataclass(frozen=True, slots=True)
class MappedRows:
    """Rows of one shape that stay on the disk until one is asked for.

    ``segments`` are memory-mapped arrays (n, ...), ``places`` the segment and the row in it of each.
    """

    segments: list[NDArray[np.float32]]
    places: list[tuple[int, int]]

    def __len__(self) -> int:
        return len(self.places)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Of one row; () where there is none."""
        return self.segments[0].shape[1:] if self.segments else ()

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        segment, row = self.places[index]
        return np.array(self.segments[segment][row])

    def take(self, indices: Iterable[int]) -> NDArray[np.float32]:
        """Several rows (n, ...), in that order."""
        return np.stack([self[index] for index in indices])


@dataclass(frozen=True, slots=True)
class Entry:
    """What `medbench cache ls` shows of an entry: what it is of, its size in bytes and rows, and its last use."""

    folder: Path
    key: dict[str, Any]
    rows: int
    size: int
    used: float

    def remove(self) -> None:
        """Delete the entry. Raises `StoreError` where that is not allowed."""
        with FileLock(self.folder.with_suffix(".lock")):
            try:
                shutil.rmtree(self.folder)
            except OSError as error:
                raise StoreError(f"cannot remove {self.folder}: {error.strerror}") from error
        # The lock file stays: whoever waits for it must not be left alone with a deleted one.


def entries(folder: Path) -> list[Entry]:
    """Every entry under the cache's ``features`` folder, last used first; one without a readable key has an empty one."""
    found = []
    for place in folder.glob("*"):
        if not place.is_dir() or place.name == "models":
            continue
        key: dict[str, Any] = {}
        used = place.stat().st_mtime
        with suppress(OSError, ValueError):
            key = json.loads((place / _ENTRY).read_text())
            used = (place / _ENTRY).stat().st_mtime
        segments = list(place.glob(f"*{_SUFFIX}"))
        rows = sum(len(_read_ids(path) or ()) for path in segments)
        found.append(Entry(place, key, rows, sum(path.stat().st_size for path in segments), used))
    return sorted(found, key=lambda entry: (-entry.used, entry.folder.name))


def _hasher(data: bytes = b"") -> hashlib.blake2b:
    return hashlib.blake2b(data, digest_size=_DIGITS // 2)


def _digest(data: bytes) -> str:
    return _hasher(data).hexdigest()


def _map(path: Path) -> NDArray[np.float32]:
    """The only tensor of a safetensors file: an 8-byte length, that many bytes of JSON, then the rows."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        shape = json.loads(file.read(length))["rows"]["shape"]
    return np.memmap(path, np.float32, "r", offset=8 + length, shape=tuple(shape))


def _read_ids(path: Path) -> list[str] | None:
    """The ids in a segment's header, read alone; None where it is no such header."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > _HEADER_LIMIT:
                return None
            ids = json.loads(json.loads(file.read(length))["__metadata__"]["ids"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return ids if isinstance(ids, list) else None
