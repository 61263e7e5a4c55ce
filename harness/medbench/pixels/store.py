"""Reading kept pixels: by name through a sorted index, out of memory maps, each picture verified at its first read."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from medbench.pixels.places import State, read_state
from medbench.pixels.shards import bytes_of, checksum, is_whole, picture_key, read_parts, region_text

if TYPE_CHECKING:
    from medbench.manifest import Picture

DTYPE = np.dtype(
    [
        ("key", "<u8"),
        ("checksum", "<u8"),
        ("offset", "<i8"),
        ("shard", "<u4"),
        ("height", "<u4"),
        ("width", "<u4"),
        ("channels", "<u4"),
    ]
)
_MAPS = 256
"""Shards mapped at once: each holds a file descriptor, of which a process has 1,024."""
_UNSEEN, _DAMAGED = 0, 1


class _Mapped(NamedTuple):
    """A shard's bytes, and the number of the file that they are of: another one where the shard was replaced."""

    pixels: NDArray[np.uint8]
    number: int


class KeptPixels:
    """The kept pictures in ``folder``. It may be pickled, forked and used by many threads; it holds no lock.

    A folder that is absent, damaged or of other data holds no picture, nor does one of another ``colour`` than the one asked
    for (None: of any).
    """

    def __init__(self, folder: Path, colour: bool | None = None) -> None:
        self.folder = folder
        self.colour = colour
        self._rows: NDArray[Any] | None = None
        self._keys = np.zeros(0, np.uint64)
        self._seen = np.zeros(0, np.uint32)  # of each picture the number of the file in which it was found sound
        self._maps: dict[int, _Mapped] = {}
        self._files: dict[int, tuple[tuple[int, ...], int]] = {}
        self._numbers = itertools.count(_DAMAGED + 1)

    def __reduce__(self) -> tuple[type[KeptPixels], tuple[Path, bool | None]]:
        return KeptPixels, (self.folder, self.colour)

    def __len__(self) -> int:
        return len(self._opened())

    @property
    def damaged(self) -> int:
        """Pictures that were asked for in this process and found damaged."""
        return int(np.count_nonzero(self._seen == _DAMAGED))

    def get(self, picture: Picture, source: bytes) -> NDArray[np.uint8] | None:
        """(H, W) or (H, W, 3), read-only; None unless it is here, sound, and was decoded from a file of SHA-256 ``source``."""
        rows = self._opened()
        region = region_text(picture.region)
        key = picture_key(picture.path, region)
        place = int(np.searchsorted(self._keys, np.uint64(key)))
        if place == len(self._keys) or int(self._keys[place]) != key or self._seen[place] == _DAMAGED:
            return None
        row = rows[place]
        mapped = self._mapped(int(row["shard"]))
        shape = tuple(int(row[name]) for name in ("height", "width", "channels"))
        pixels = None if mapped is None else view(mapped.pixels, int(row["offset"]), shape)
        if mapped is None or pixels is None:
            self._seen[place] = _DAMAGED
            return None
        if self._seen[place] != mapped.number:
            sound = checksum(picture.path, region, source, pixels) == int(row["checksum"])
            self._seen[place] = mapped.number if sound else _DAMAGED
            return pixels if sound else None
        return pixels

    def _mapped(self, shard: int) -> _Mapped | None:
        """A shard that is mapped again is of the same number only while it is the same file, unchanged."""
        found = self._maps.get(shard)
        if found is not None:
            return found
        try:
            with bytes_of(self.folder, shard).open("rb") as file:
                stat = os.fstat(file.fileno())
                pixels: NDArray[np.uint8] = np.asarray(np.memmap(file, np.uint8, "r"))
        except (OSError, ValueError):  # gone, or empty
            return None
        identity = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
        known = self._files.get(shard)
        if known is None or known[0] != identity:
            known = self._files[shard] = (identity, next(self._numbers))
        if len(self._maps) >= _MAPS:
            self._maps.clear()
        found = self._maps[shard] = _Mapped(pixels, known[1])
        return found

    def _opened(self) -> NDArray[Any]:
        """Without a lock: a second thread may do it too, and a process that forks is never caught holding one."""
        if self._rows is None:
            state = read_state(self.folder)
            usable = state is not None and self.colour in {None, state.colour}
            rows = np.zeros(0, DTYPE) if state is None or not usable else _read_index(self.folder, state)
            self._keys = np.ascontiguousarray(rows["key"])
            self._seen = np.zeros(len(rows), np.uint32)
            self._rows = rows
        return self._rows


def view(mapped: NDArray[np.uint8], offset: int, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """A picture of (H, W, channels) in a shard's bytes, (H, W) where it is grey; None where they end before it does."""
    height, width, channels = shape
    end = offset + height * width * channels
    if offset < 0 or end > len(mapped):
        return None
    return mapped[offset:end].reshape((height, width) if channels == 1 else shape)


def index_digest(data: bytes | memoryview) -> str:
    """By which an index is told from a damaged one."""
    return xxhash.xxh3_128_hexdigest(data)


def _read_index(folder: Path, state: State) -> NDArray[Any]:
    try:
        rows: NDArray[Any] = np.memmap(folder / state.index_name, DTYPE, "r")
    except (OSError, ValueError):  # gone, empty, or cut within a row
        return np.zeros(0, DTYPE)
    return rows if index_digest(rows.view(np.uint8).data) == state.index else np.zeros(0, DTYPE)


def flaw(folder: Path, state: State) -> str:
    """What a look at the index and at each shard's length tells to be wrong; '' where nothing is, or no index is made yet."""
    if not state.index:
        return ""
    rows = _read_index(folder, state)
    if len(rows) != state.pictures:
        return "its index is damaged"
    sizes = rows["height"].astype(np.int64) * rows["width"] * rows["channels"]
    shards, places = np.unique(rows["shard"], return_inverse=True)
    ends = np.zeros(len(shards), np.int64)
    np.maximum.at(ends, places, rows["offset"] + sizes)
    cut = [shard for shard, end in zip(shards.tolist(), ends.tolist(), strict=True) if not is_whole(folder, shard, end)]
    return f"{bytes_of(folder, cut[0]).name} is missing or cut short" if cut else ""


class Looked(NamedTuple):
    """One kept picture, by its path, whether its bytes are those that were kept, and the shard that it is in."""

    path: str
    sound: bool
    shard: int


def verify(folder: Path) -> Iterator[Looked]:
    """Every kept picture of a folder, its checksum taken anew."""
    for part in read_parts(folder):
        try:
            mapped = np.asarray(np.memmap(bytes_of(folder, part.number), np.uint8, "r"))
        except (OSError, ValueError):
            mapped = np.zeros(0, np.uint8)
        for row in part.table.to_pylist():
            path = row["path"].decode(errors="surrogateescape")
            pixels = view(mapped, row["offset"], (row["height"], row["width"], row["channels"]))
            whole = pixels is not None and checksum(path, row["region"], row["sha256"], pixels) == row["checksum"]
            yield Looked(path, whole, part.number)
