"""Pictures as protocols train on them, decoded and scaled once: shared by trials, seeds, fractions and methods.

<cache>/frames/<key>/entry.json                what the key stands for
<cache>/frames/<key>/<number>-<digest>.safetensors
                                               some pictures, ids and shapes in the header, pixels one after the other

Segments are only ever added, each names its own digest, and one that is damaged is made again. Pictures may be of one
shape or of many.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xxhash
from filelock import FileLock

from medbench.errors import StoreError
from medbench.files import remove_partial_files, write_atomically, write_bytes_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 1
"""Rises when decoding or scaling give other pixels, as `medbench.features.FORMAT` does: the frames of before are left aside."""

SEGMENT_BYTES = 32_000_000
"""What a kill loses at most."""

ENTRY = "entry.json"
_SUFFIX = ".safetensors"
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
        self._segments = [_mapped(path) for path in segments]

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
        found = store.found(ids)
        if found is not None:
            return found
    return FrameStore(folders[-1] / name, key).completed(ids, make)


def held(folder: Path) -> tuple[int, int]:
    """How many pictures an entry holds, and its segments' bytes."""
    segments = list(folder.glob(f"*{_SUFFIX}"))
    indices = [_read_index(path) for path in segments]
    return sum(len(one.ids) for one in indices if one is not None), sum(path.stat().st_size for path in segments)


def remove(folder: Path) -> None:
    """Delete an entry. Raises `StoreError` where that is not allowed."""
    try:
        with FileLock(folder.with_suffix(".lock")):
            shutil.rmtree(folder)
    except OSError as error:
        raise StoreError(f"cannot remove {folder}: {error.strerror}") from error
    # The lock file stays: whoever waits for it must not be left alone with a deleted one.


class FrameStore:
    """One entry: the pictures of one key."""

    def __init__(self, folder: Path, key: dict[str, Any]) -> None:
        self.folder = folder
        self._key = key
        self._segments: dict[Path, _Index] = {}

    def completed(self, ids: Sequence[str], make: Make) -> Frames:
        """The pictures of ``ids``, those that are missing or damaged made and added. Raises `StoreError`."""
        with self._locked():
            while True:
                missing = self._missing(ids)
                if missing:
                    self._fill(missing, make(missing))
                frames = self._open(ids)
                if frames is not None:
                    return frames

    def found(self, ids: Sequence[str]) -> Frames | None:
        """The pictures of ``ids`` without writing; None where one is missing or damaged."""
        self._look()
        return None if self._missing(ids) else self._open(ids)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone with the entry among all processes; what an earlier one left half-written is cleared."""
        lock = FileLock(self.folder.with_suffix(".lock"))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except (OSError, NotImplementedError) as error:  # the latter where the file system has no locks
            raise StoreError(f"cannot lock {self.folder}: {error}", fix="choose another cache folder") from error
        try:
            entry = self.folder / ENTRY
            if not entry.is_file():
                write_bytes_atomically(entry, json.dumps(self._key, indent=1).encode())
            with suppress(OSError):
                os.utime(entry)
                remove_partial_files(self.folder)
            self._look()
            yield
        finally:
            lock.release()

    def _look(self) -> None:
        self._segments = {}
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            index = _read_index(path)
            if index is None:
                _discard(path)
            else:
                self._segments[path] = index

    def _missing(self, ids: Sequence[str]) -> list[str]:
        known = {one for index in self._segments.values() for one in index.ids}
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
            raise StoreError(f"{done} pictures were made of {len(ids)} for {self.folder.name}")

    def _append(self, ids: Sequence[str], pictures: Sequence[NDArray[np.uint8]]) -> None:
        from safetensors.numpy import save

        shapes = [(*one.shape, 1)[:3] for one in pictures]
        told = {"ids": json.dumps(list(ids)), "shapes": json.dumps(shapes)}
        data = save({"pixels": np.concatenate([one.ravel() for one in pictures])}, metadata=told)
        number = 1 + max((int(path.name.partition("-")[0]) for path in self._segments), default=0)
        path = self.folder / f"{number:06d}-{xxhash.xxh3_128_hexdigest(data)}{_SUFFIX}"
        # Not through a memory map: a full disk would end the process with SIGBUS in place of an error.
        write_atomically(path, lambda partial: partial.write_bytes(data))
        index = _read_index(path)
        if index is None:
            raise StoreError(f"{path} cannot be read back", fix="medbench cache gc --all")
        self._segments[path] = index

    def _open(self, ids: Sequence[str]) -> Frames | None:
        """None where a segment that is wanted was damaged, which is then left aside."""
        wanted = set(ids)
        segments: list[Path] = []
        places: dict[str, tuple[int, ...]] = {}
        intact = True
        for path, index in list(self._segments.items()):
            if wanted.isdisjoint(index.ids):
                continue
            if not _is_whole(path):
                del self._segments[path]
                _discard(path)
                intact = False
                continue
            for one, start, shape in zip(index.ids, index.starts, index.shapes, strict=True):
                places[one] = (len(segments), start, *shape)
            segments.append(path)
        if not intact:
            return None
        return Frames(segments, np.array([places[one] for one in ids], np.int64).reshape(-1, 5))


class _Index(NamedTuple):
    """A segment's header: its pictures, where each starts in the file, and their heights, widths and channels."""

    ids: list[str]
    starts: list[int]
    shapes: list[tuple[int, int, int]]


def _read_index(path: Path) -> _Index | None:
    """A segment's header, read alone; None where it is no such header, or the file is not as long as that says."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > _HEADER_LIMIT:
                return None
            told = json.loads(file.read(length))["__metadata__"]
            ids = [str(one) for one in json.loads(told["ids"])]
            shapes = [
                (int(height), int(width), int(channels)) for height, width, channels in json.loads(told["shapes"])
            ]
            size = os.fstat(file.fileno()).st_size
    except (OSError, ValueError, KeyError, TypeError):
        return None
    lengths = (height * width * channels for height, width, channels in shapes)
    *starts, end = accumulate(lengths, initial=8 + length)
    return _Index(ids, starts, shapes) if len(ids) == len(shapes) and end == size else None


def _mapped(path: Path) -> NDArray[np.uint8]:
    """A file's bytes. By torch, which keeps no descriptor open: a process has 1,024 of them, and there may be more segments."""
    import torch

    return torch.from_file(str(path), shared=False, size=path.stat().st_size, dtype=torch.uint8).numpy()


def _is_whole(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest() == path.stem.partition("-")[2]
    except OSError:
        return False


def _discard(path: Path) -> None:
    """Remove a damaged segment; where that is not allowed it is passed over."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
