"""Reading kept pixels: by name through a sorted index, out of memory maps, each picture verified at its first read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from medbench.pixels.places import INDEX, read_state
from medbench.pixels.shards import bytes_of, checksum, picture_key, read_parts, region_text

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
_UNSEEN, _SOUND, _DAMAGED = 0, 1, 2


class KeptPixels:
    """The kept pictures in ``folder``. It may be pickled, forked and used by many threads; it holds no lock.

    A folder that is absent, damaged or of other data holds no picture.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows: NDArray[Any] | None = None
        self._keys = np.zeros(0, np.uint64)
        self._seen = np.zeros(0, np.uint8)
        self._maps: dict[int, NDArray[np.uint8]] = {}

    def __reduce__(self) -> tuple[type[KeptPixels], tuple[Path]]:
        return KeptPixels, (self.folder,)

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
        pixels = self._view(row)
        if self._seen[place] == _UNSEEN or pixels is None:
            sound = pixels is not None and checksum(picture.path, region, source, pixels) == int(row["checksum"])
            self._seen[place] = _SOUND if sound else _DAMAGED
            return pixels if sound else None
        return pixels

    def _view(self, row: Any) -> NDArray[np.uint8] | None:
        number = int(row["shard"])
        shape = tuple(int(row[name]) for name in ("height", "width", "channels"))
        mapped = self._maps.get(number)
        if mapped is None:
            try:
                mapped = np.asarray(np.memmap(bytes_of(self.folder, number), np.uint8, "r"))
            except (OSError, ValueError):  # gone, or empty
                return None
            if len(self._maps) >= _MAPS:
                self._maps.clear()
            self._maps[number] = mapped
        return view(mapped, int(row["offset"]), shape)

    def _opened(self) -> NDArray[Any]:
        """Without a lock: a second thread may do it too, and a process that forks is never caught holding one."""
        if self._rows is None:
            rows = _read_index(self.folder)
            self._keys = np.ascontiguousarray(rows["key"])
            self._seen = np.zeros(len(rows), np.uint8)
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


def _read_index(folder: Path) -> NDArray[Any]:
    state = read_state(folder)
    nothing: NDArray[Any] = np.zeros(0, DTYPE)
    if state is None or not state.index:
        return nothing
    try:
        rows: NDArray[Any] = np.memmap(folder / INDEX, DTYPE, "r")
    except (OSError, ValueError):  # gone, empty, or cut within a row
        return nothing
    return rows if index_digest(rows.view(np.uint8).data) == state.index else nothing


class Looked(NamedTuple):
    """One kept picture, by its path, and whether its bytes are those that were kept."""

    path: str
    sound: bool


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
            yield Looked(path, whole)
