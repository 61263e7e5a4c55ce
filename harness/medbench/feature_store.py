"""Features on disk: append-only segments that name their own digest, so that a kill loses one and damage is seen.

<cache>/features/<key>/entry.json                what the key stands for
<cache>/features/<key>/<number>-<digest>.safetensors
                                                 ``hashes`` of some ids, their ``rows``, and the ``ids`` as JSON text

Ids are told apart by 64-bit hashes (`medbench.asked.id_hash`): of a million rows no id is held as text.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout

from medbench.errors import StoreError
from medbench.files import remove_partial_files, write_atomically, write_bytes_atomically
from medbench.mapped_rows import MappedRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ENTRY = "entry.json"
_SUFFIX = ".safetensors"
_DIGITS = 32
_HEADER_LIMIT = 1 << 20
_CHUNK = 1 << 16
_NONE = np.empty(0, np.uint64)


class Places(NamedTuple):
    """Where rows lie: the number of the segment (N,) and the row in it (N,)."""

    segment: NDArray[np.int32]
    row: NDArray[np.int32]


class FeatureStore:
    """One entry: rows of one shape by the hash of their id. Every call but the constructor needs the lock.

    ``damaged`` counts the segments that were found damaged, and removed.
    """

    def __init__(self, folder: Path, key: dict[str, Any]) -> None:
        self.folder = folder
        self._key = key
        self.damaged = 0
        self._segments: dict[Path, NDArray[np.uint64]] = {}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with the entry among all processes; what an earlier one left half-written is cleared."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock():
            self._open()
            yield

    @contextmanager
    def locked_if_free(self) -> Iterator[bool]:
        """As `locked`, where no other process has it; gives whether it is ours. Never waits, so that nobody waits in a ring."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self._lock()
        try:
            lock.acquire(blocking=False)
        except Timeout:
            yield False
            return
        try:
            self._open()
            yield True
        finally:
            lock.release()

    def lacks(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """(N,) whether no segment has the row of that hash."""
        known = np.sort(np.concatenate([*self._segments.values(), _NONE]))
        found = np.empty(len(hashes), np.bool_)
        for start in range(0, len(hashes), _CHUNK):
            part = hashes[start : start + _CHUNK]
            found[start : start + len(part)] = known[_places_in(known, part)] != part if len(known) else True
        return found

    def append(self, ids: Sequence[str], hashes: NDArray[np.uint64], rows: NDArray[np.float32]) -> None:
        """Keep ``rows`` (n, ...) of n ``ids``. Raises `StoreError` where the disk does not take them."""
        from safetensors.numpy import save

        text = np.frombuffer(json.dumps(list(ids)).encode(), np.uint8)
        data = save({"hashes": hashes, "rows": np.ascontiguousarray(rows, np.float32), "ids": text})
        number = 1 + max((int(path.name.partition("-")[0]) for path in self._segments), default=0)
        path = self.folder / f"{number:06d}-{_digest(data)}{_SUFFIX}"
        write_atomically(path, lambda partial: partial.write_bytes(data))
        self._segments[path] = hashes

    def gather(self, hashes: NDArray[np.uint64]) -> NDArray[np.float32] | None:
        """The rows of ``hashes`` (N, ...), in order; None where a segment was damaged, which is then gone."""
        segments, places = self._find(hashes)
        rows: NDArray[np.float32] | None = None
        intact = True
        for number, path in enumerate(segments):
            data = path.read_bytes()
            if _digest(data) != _told_digest(path):
                self._discard(path)
                intact = False
                continue
            tensor = _read_header(path)["rows"]
            values = np.frombuffer(data, np.float32, math.prod(tensor.shape), tensor.offset).reshape(tensor.shape)
            if rows is None:
                rows = np.empty((len(hashes), *tensor.shape[1:]), np.float32)
            here = np.flatnonzero(places.segment == number)
            rows[here] = values[places.row[here]]
        if not intact:
            return None
        return np.zeros((0, 0), np.float32) if rows is None else rows

    def mapped(self, hashes: NDArray[np.uint64]) -> MappedRows | None:
        """The rows of ``hashes``, in order, left on the disk; None where a segment was damaged, which is then gone."""
        segments, places = self._find(hashes)
        whole = [self._is_whole(path) for path in segments]
        return MappedRows([_map(path) for path in segments], *places) if all(whole) else None

    def _find(self, hashes: NDArray[np.uint64]) -> tuple[list[Path], Places]:
        """The segments that hold any of ``hashes``, and where in them each lies. Raises `StoreError` where one is nowhere."""
        held = list(self._segments.values())
        if _follow_one_another(held, hashes):  # as a pass over all of them leaves it: nothing to sort
            sizes = [len(one) for one in held]
            segment = np.repeat(np.arange(len(held), dtype=np.int32), sizes)
            row = np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])
            return list(self._segments), Places(segment, row)
        known = np.concatenate([*held, _NONE])
        order = np.argsort(known, kind="stable").astype(np.int32)
        known.sort()
        starts = np.cumsum([0, *map(len, held)])
        places = Places(np.zeros(len(hashes), np.int32), np.zeros(len(hashes), np.int32))
        for start in range(0, len(hashes), _CHUNK):
            part = hashes[start : start + _CHUNK]
            at = _places_in(known, part)
            if not len(known) or (known[at] != part).any():
                raise StoreError(f"{self.folder} lacks rows that were just written", fix="medbench cache gc --all")
            flat = order[at]
            segment = np.searchsorted(starts, flat, "right") - 1
            places.segment[start : start + len(part)] = segment
            places.row[start : start + len(part)] = flat - starts[segment]
        used = np.flatnonzero(np.bincount(places.segment, minlength=len(held)))
        renumbered = np.zeros(len(held) + 1, np.int32)
        renumbered[used] = np.arange(len(used))
        paths = list(self._segments)
        return [paths[number] for number in used], Places(renumbered[places.segment], places.row)

    def _lock(self) -> FileLock:
        return FileLock(self.folder.with_suffix(".lock"))

    def _open(self) -> None:
        remove_partial_files(self.folder)
        self._segments = {}
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            hashes = _read_hashes(path)
            if hashes is None:
                self._discard(path)
            else:
                self._segments[path] = hashes
        entry = self.folder / _ENTRY
        if entry.is_file():
            os.utime(entry)
        else:
            write_bytes_atomically(entry, json.dumps(self._key, indent=1).encode())

    def _is_whole(self, path: Path) -> bool:
        with path.open("rb") as file:
            whole = hashlib.file_digest(file, _hasher).hexdigest() == _told_digest(path)
        if not whole:
            self._discard(path)
        return whole

    def _discard(self, path: Path) -> None:
        self._segments.pop(path, None)
        path.unlink(missing_ok=True)
        self.damaged += 1


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
        hashes = [_read_hashes(path) for path in segments]
        rows = sum(len(one) for one in hashes if one is not None)
        found.append(Entry(place, key, rows, sum(path.stat().st_size for path in segments), used))
    return sorted(found, key=lambda entry: (-entry.used, entry.folder.name))


def _hasher(data: bytes = b"") -> hashlib.blake2b:
    return hashlib.blake2b(data, digest_size=_DIGITS // 2)


def _digest(data: bytes) -> str:
    return _hasher(data).hexdigest()


def _told_digest(path: Path) -> str:
    return path.stem.partition("-")[2]


def _places_in(known: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The place of each in ``known``, which is sorted and not empty; any place for one that is not there."""
    return np.minimum(np.searchsorted(known, wanted), len(known) - 1).astype(np.int64)


def _follow_one_another(segments: Sequence[NDArray[np.uint64]], hashes: NDArray[np.uint64]) -> bool:
    """Whether ``hashes`` are those of the segments, one after the other, and nothing else."""
    start = 0
    for one in segments:
        if not np.array_equal(hashes[start : start + len(one)], one):
            return False
        start += len(one)
    return start == len(hashes) > 0


class _Tensor(NamedTuple):
    shape: tuple[int, ...]
    offset: int


def _read_header(path: Path) -> dict[str, _Tensor]:
    """A segment's tensors by name with their offset in the file: 8 bytes of length, that much JSON, the tensors.

    Raises `OSError`, `ValueError`, `KeyError`, `TypeError` or `IndexError` where it is no such header.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _HEADER_LIMIT:
            raise ValueError(f"a header of {length} bytes")
        header = json.loads(file.read(length))
    return {
        name: _Tensor(tuple(map(int, header[name]["shape"])), 8 + length + int(header[name]["data_offsets"][0]))
        for name in ("hashes", "rows")
    }


def _read_hashes(path: Path) -> NDArray[np.uint64] | None:
    """The hashes of a segment's ids, read alone; None where it is damaged in a way that shows at once."""
    try:
        header = _read_header(path)
        count = header["hashes"].shape[0]
        found = np.fromfile(path, np.uint64, count, offset=header["hashes"].offset)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    return found if len(found) == count == header["rows"].shape[0] else None


def _map(path: Path) -> NDArray[np.float32]:
    """A segment's rows, memory-mapped."""
    rows = _read_header(path)["rows"]
    return np.memmap(path, np.float32, "r", offset=rows.offset, shape=rows.shape)
