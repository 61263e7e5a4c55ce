"""Features on disk: rows by the hash of their id, in the append-only segments of `medbench.segments`.

<cache>/features/<key>/<number>-<digest>.safetensors
                                                 ``hashes`` of some ids, their ``rows``, and the ``ids`` as JSON text

Ids are told apart by 64-bit hashes (`medbench.asked.id_hash`): of a million rows no id is held as text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from medbench.errors import StoreError
from medbench.mapped_rows import MappedRows, mapped_bytes
from medbench.segments import Entry, Segments, check_whole, checked_bytes, entries_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEADER_LIMIT = 1 << 20
_CHUNK = 1 << 16
_NONE = np.empty(0, np.uint64)


class Places(NamedTuple):
    """Where rows lie: the number of the segment (N,) and the row in it (N,)."""

    segment: NDArray[np.int32]
    row: NDArray[np.int32]


class FeatureStore(Segments["NDArray[np.uint64]"]):
    """One entry: rows of one shape by the hash of their id. `look` comes first where there is no lock."""

    def __init__(self, folder: Path, key: dict[str, Any], *, beneath: Path | None = None) -> None:
        super().__init__(folder, key, _read_hashes, beneath=beneath)

    def lacks(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """(N,) whether no segment has the row of that hash."""
        known = np.sort(np.concatenate([*self.known.values(), _NONE]))
        found = np.empty(len(hashes), np.bool_)
        for start in range(0, len(hashes), _CHUNK):
            part = hashes[start : start + _CHUNK]
            found[start : start + len(part)] = known[_places_in(known, part)] != part if len(known) else True
        return found

    def append(self, ids: Sequence[str], hashes: NDArray[np.uint64], rows: NDArray[np.float32]) -> Path:
        """Keep ``rows`` (n, ...) of n ``ids`` as a segment, which is given; needs the lock.

        Raises `StoreError` where the disk does not take them.
        """
        from safetensors.numpy import save

        text = np.frombuffer(json.dumps(list(ids)).encode(), np.uint8)
        data = save({"hashes": hashes, "rows": np.ascontiguousarray(rows, np.float32), "ids": text})
        return self.add(data, hashes)

    def gather(self, hashes: NDArray[np.uint64]) -> NDArray[np.float32] | None:
        """The rows of ``hashes`` (N, ...), in order; None where a segment was damaged, which is then left aside."""
        segments, places = self._find(hashes)
        rows: NDArray[np.float32] | None = None
        intact = True
        for number, path in enumerate(segments):
            values = self.tried(path, _read_rows)
            if values is None:
                intact = False
                continue
            if rows is None:
                rows = np.empty((len(hashes), *values.shape[1:]), np.float32)
            here = np.flatnonzero(places.segment == number)
            rows[here] = values[places.row[here]]
        if not intact:
            return None
        return np.zeros((0, 0), np.float32) if rows is None else rows

    def mapped(self, hashes: NDArray[np.uint64]) -> MappedRows | None:
        """The rows of ``hashes``, in order, left on the disk; None where a segment was damaged, which is then left aside."""
        paths, places = self._find(hashes)
        found = [self.tried(path, _map) for path in paths]
        segments = [one for one in found if one is not None]
        return MappedRows(segments, *places) if len(segments) == len(paths) else None

    def _find(self, hashes: NDArray[np.uint64]) -> tuple[list[Path], Places]:
        """The segments that hold any of ``hashes``, and where in them each lies. Raises `StoreError` where one is nowhere."""
        held = list(self.known.values())
        if _follow_one_another(held, hashes):  # as a pass over all of them leaves it: nothing to sort
            sizes = [len(one) for one in held]
            segment = np.repeat(np.arange(len(held), dtype=np.int32), sizes)
            row = np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])
            return list(self.known), Places(segment, row)
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
            number = np.searchsorted(starts, flat, "right") - 1
            places.segment[start : start + len(part)] = number
            places.row[start : start + len(part)] = flat - starts[number]
        used = np.flatnonzero(np.bincount(places.segment, minlength=len(held)))
        renumbered = np.zeros(len(held) + 1, np.int32)
        renumbered[used] = np.arange(len(used))
        paths = list(self.known)
        return [paths[number] for number in used], Places(renumbered[places.segment], places.row)


def entries(folder: Path) -> list[Entry]:
    """Every entry under the cache's ``features`` folder, last used first; one without a readable key has an empty one."""
    found = entries_of(folder, lambda path: len(_read_hashes(path)))
    return [entry for entry in found if entry.folder.name != "models"]


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

    Raises `OSError`, and `ValueError` where it is no such header.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _HEADER_LIMIT:
            raise ValueError(f"a header of {length} bytes")
        text = file.read(length)
    try:
        header = json.loads(text)
        return {
            name: _Tensor(tuple(map(int, header[name]["shape"])), 8 + length + int(header[name]["data_offsets"][0]))
            for name in ("hashes", "rows")
        }
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"no header of a segment: {error}") from error


def _read_hashes(path: Path) -> NDArray[np.uint64]:
    """The hashes of a segment's ids, read alone. Raises as `_read_header`, where a damage shows at once."""
    header = _read_header(path)
    if header["hashes"].shape != header["rows"].shape[:1]:
        raise ValueError("another number of hashes than of rows")
    (count,) = header["hashes"].shape
    if header["hashes"].offset + 8 * count > path.stat().st_size:
        raise ValueError("shorter than its header tells")
    return np.fromfile(path, np.uint64, count, offset=header["hashes"].offset)


def _read_rows(path: Path) -> NDArray[np.float32]:
    """A segment's rows in memory. Raises as `medbench.segments.checked_bytes`."""
    data = checked_bytes(path)
    rows = _read_header(path)["rows"]
    return np.frombuffer(data, np.float32, math.prod(rows.shape), rows.offset).reshape(rows.shape)


def _map(path: Path) -> NDArray[np.float32]:
    """A segment's rows, memory-mapped. Raises as `medbench.segments.check_whole`."""
    rows = _read_header(check_whole(path))["rows"]
    data = mapped_bytes(path)[rows.offset : rows.offset + 4 * math.prod(rows.shape)]
    return data.view(np.float32).reshape(rows.shape)
