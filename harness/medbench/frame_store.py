"""Pictures as protocols train on them, decoded and scaled once: shared by trials, seeds, fractions and methods.

<cache>/frames/<key>/<number>-<digest>.safetensors
                                               some pictures, ids and shapes in the header, pixels one after the other

These are the append-only segments of `medbench.segments`; one that is damaged is made again. Pictures may be of one shape or
of many.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from medbench.errors import StoreError
from medbench.mapped_rows import mapped_bytes
from medbench.segments import Entry, Segments, check_whole, entries_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 1
"""Rises when decoding or scaling give other pixels, as `medbench.features.FORMAT` does: the frames of before are left aside."""

SEGMENT_BYTES = 32_000_000
"""What a kill loses at most."""

_HEADER_LIMIT = 100_000_000

Make = Callable[[Sequence[str]], "Iterator[NDArray[np.uint8]]"]
"""Gives the pictures of some ids, in order."""


class Frames:
    """``self[i]`` is picture i as uint8 (H, W) or (H, W, 3), a copy; the rest stays in the files, mapped into memory.

    ``places`` (N, 5) int64 gives the segment of each, where it starts there, its height, its width and its channels, 1 for
    grey. May be pickled and forked; what is removed from the cache stays readable while it is mapped.
    """

    def __init__(self, segments: Sequence[Path], places: NDArray[np.int64]) -> None:
        self._paths = tuple(segments)
        self._places = places
        self._segments = [mapped_bytes(path) for path in segments]

    def __reduce__(self) -> tuple[type[Frames], tuple[tuple[Path, ...], NDArray[np.int64]]]:
        return Frames, (self._paths, self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        segment, start, height, width, channels = self._places[index].tolist()
        pixels: NDArray[np.uint8] = self._segments[segment][start : start + height * width * channels].copy()
        return pixels.reshape((height, width) if channels == 1 else (height, width, channels))


def kept_frames(folders: Sequence[Path], key: dict[str, Any], ids: Sequence[str], make: Make) -> Frames:
    """The pictures of ``ids``, in order, from the first of ``folders`` that serves; what it lacks is asked of ``make``.

    A folder serves where it can be written, or holds everything already. ``key`` must say all that a picture depends on but
    its id. Any number of processes may ask at once: one makes, the others wait and read. Raises `StoreError` where the last
    folder cannot be written, and whatever ``make`` raises.
    """
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
    for folder in folders[:-1]:
        store = FrameStore(folder / name, key)
        with suppress(StoreError):  # a cache that cannot be written costs time only
            return store.completed(ids, make)
    return FrameStore(folders[-1] / name, key).completed(ids, make)


def entries(folder: Path) -> list[Entry]:
    """Every entry under the cache's ``frames`` folder, last used first; one without a readable key has an empty one."""
    return entries_of(folder, lambda path: len(_read_index(path).ids))


class FrameStore:
    """One entry: the pictures of one key."""

    def __init__(self, folder: Path, key: dict[str, Any]) -> None:
        self._segments: Segments[_Index] = Segments(folder, key, _read_index)

    def completed(self, ids: Sequence[str], make: Make) -> Frames:
        """The pictures of ``ids``, those that are missing or damaged made and added; no lock where there are none.

        Raises `StoreError`.
        """
        found = self.found(ids)
        if found is not None:
            return found
        with self._segments.locked():
            for _ in range(2):  # the second is for what a damaged segment held
                missing = self._missing(ids)
                if missing:
                    self._fill(missing, make(missing))
                frames = self._open(ids)
                if frames is not None:
                    return frames
        raise StoreError(
            f"what is written to {self._segments.folder} cannot be read back", fix="choose another cache folder"
        )

    def found(self, ids: Sequence[str]) -> Frames | None:
        """The pictures of ``ids`` without the lock and without writing; None where one is missing or damaged."""
        self._segments.look()
        return None if self._missing(ids) else self._open(ids)

    def _missing(self, ids: Sequence[str]) -> list[str]:
        known = {one for index in self._segments.known.values() for one in index.ids}
        return [one for one in dict.fromkeys(ids) if one not in known]

    def _fill(self, ids: Sequence[str], pictures: Iterator[NDArray[np.uint8]]) -> None:
        pending: list[NDArray[np.uint8]] = []
        done = size = 0
        for picture in pictures:
            pending.append(picture)
            size += picture.nbytes
            if size >= SEGMENT_BYTES:
                self._append(ids[done : done + len(pending)], pending)
                done, size, pending = done + len(pending), 0, []
        if pending:
            self._append(ids[done : done + len(pending)], pending)
            done += len(pending)
        if done != len(ids):
            raise StoreError(f"{done} pictures were made of {len(ids)} for {self._segments.folder.name}")

    def _append(self, ids: Sequence[str], pictures: Sequence[NDArray[np.uint8]]) -> None:
        from safetensors.numpy import save

        shapes = [(*one.shape, 1)[:3] for one in pictures]
        told = {"ids": json.dumps(list(ids)), "shapes": json.dumps(shapes)}
        data = save({"pixels": np.concatenate([one.ravel() for one in pictures])}, metadata=told)
        start = 8 + int.from_bytes(data[:8], "little")
        self._segments.add(data, _index_of(list(ids), [(h, w, c) for h, w, c in shapes], start))

    def _open(self, ids: Sequence[str]) -> Frames | None:
        """None where a segment that is wanted was damaged, which is then left aside."""
        wanted = set(ids)
        segments: list[Path] = []
        places: dict[str, tuple[int, ...]] = {}
        intact = True
        for path, index in list(self._segments.known.items()):
            if wanted.isdisjoint(index.ids):
                continue
            if self._segments.tried(path, check_whole) is None:
                intact = False
                continue
            for one, start, shape in zip(index.ids, index.starts, index.shapes, strict=True):
                places[one] = (len(segments), start, *shape)
            segments.append(path)
        if not intact:
            return None
        numbers = np.array([places[one] for one in ids], np.int64).reshape(-1, 5)
        try:
            return Frames(segments, numbers)
        except FileNotFoundError:  # removed by another process since it was listed
            return None
        except OSError as error:
            raise StoreError(f"cannot map {self._segments.folder}: {error}") from error


class _Index(NamedTuple):
    """A segment's header: its pictures, where each starts in the file, and their heights, widths and channels.

    ``end`` is the file's length.
    """

    ids: list[str]
    starts: list[int]
    shapes: list[tuple[int, int, int]]
    end: int


def _index_of(ids: list[str], shapes: list[tuple[int, int, int]], start: int) -> _Index:
    *starts, end = accumulate((height * width * channels for height, width, channels in shapes), initial=start)
    return _Index(ids, starts, shapes, end)


def _read_index(path: Path) -> _Index:
    """A segment's header, read alone.

    Raises `OSError`, and `ValueError` where it is no such header or the file is not as long as that says.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _HEADER_LIMIT:
            raise ValueError(f"a header of {length} bytes")
        text = file.read(length)
        size = os.fstat(file.fileno()).st_size
    try:
        told = json.loads(text)["__metadata__"]
        ids = [str(one) for one in json.loads(told["ids"])]
        shapes = [(int(height), int(width), int(channels)) for height, width, channels in json.loads(told["shapes"])]
    except (KeyError, TypeError) as error:
        raise ValueError(f"no header of pictures: {error}") from error
    found = _index_of(ids, shapes, 8 + length)
    if len(ids) != len(shapes) or found.end != size:
        raise ValueError("not as long as its header tells")
    return found
