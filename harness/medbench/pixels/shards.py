"""The form of a shard: pictures one after the other, and a Parquet that says where each lies and what it was decoded from."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from numpy.typing import NDArray

from medbench.files import write_bytes_atomically
from medbench.manifest import ImageFacts
from medbench.pixels.sources import Stamp
from medbench.samples import Region

SHARD_BYTES = 256 << 20
ALIGN = 64

SCHEMA = pa.schema(
    [
        pa.field("path", pa.binary(), nullable=False),
        pa.field("region", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        *(pa.field(name, pa.int32(), nullable=False) for name in ("height", "width", "channels")),
        pa.field("checksum", pa.uint64(), nullable=False),
        pa.field("source_size", pa.int64(), nullable=False),
        pa.field("source_time", pa.int64(), nullable=False),
        *(pa.field(name, pa.int32(), nullable=False) for name in ("image_height", "image_width")),
        *(pa.field(name, pa.binary(32), nullable=False) for name in ("sha256", "pixels")),
        *(pa.field(name, pa.uint8(), nullable=False) for name in ("low", "high")),
        pa.field("mean", pa.float64(), nullable=False),
    ]
)
_PART = re.compile(r"(\d{6,})-([0-9a-f]{32})\.parquet")


def region_text(region: Region | None) -> str:
    """``x,y,width,height``, or '' for a whole image."""
    return "" if region is None else ",".join(map(str, region))


def picture_key(path: str, region: str) -> int:
    """The 64-bit key of a picture; unlike its id it tells a region from a file of such a name."""
    return xxhash.xxh3_64_intdigest(_name(path, region))


def checksum(path: str, region: str, source: bytes, pixels: NDArray[np.uint8]) -> int:
    """XXH3-64 of what a kept picture must be: of this name, from a file of this SHA-256, of this shape, with these bytes."""
    header = _name(path, region) + source + repr(pixels.shape).encode()
    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(pixels).data, xxhash.xxh3_64_intdigest(header))


def _name(path: str, region: str) -> bytes:
    return path.encode(errors="surrogateescape") + b"\0" + region.encode()


@dataclass(slots=True)
class ShardWriter:
    """A shard that is being filled. Only `close` makes it count; every method may raise `OSError`."""

    folder: Path
    number: int
    _file: IO[bytes] = field(init=False)
    _rows: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = bytes_of(self.folder, self.number).open("wb")

    @property
    def full(self) -> bool:
        return self._file.tell() >= SHARD_BYTES

    def add(self, path: str, region: Region | None, pixels: NDArray[np.uint8], facts: ImageFacts, stamp: Stamp) -> None:
        """Append a picture, (H, W) or (H, W, 3), of the file ``path`` as it was at ``stamp``."""
        self._file.write(bytes(-self._file.tell() % ALIGN))
        where, source = region_text(region), bytes.fromhex(facts.sha256)
        row = {
            "path": path.encode(errors="surrogateescape"),
            "region": where,
            "offset": self._file.tell(),
            "height": pixels.shape[0],
            "width": pixels.shape[1],
            "channels": 1 if pixels.ndim == 2 else pixels.shape[2],
            "checksum": checksum(path, where, source, pixels),
            "source_size": stamp.size,
            "source_time": stamp.time,
            "image_height": facts.height,
            "image_width": facts.width,
            "sha256": source,
            "pixels": bytes.fromhex(facts.pixels),
            "low": facts.low,
            "high": facts.high,
            "mean": facts.mean,
        }
        self._file.write(np.ascontiguousarray(pixels).data)
        self._rows.append(row)

    def close(self) -> None:
        """Have the bytes on the disk, then say what they are."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(self._rows, SCHEMA), buffer, compression="zstd")
        data = buffer.getvalue()
        write_bytes_atomically(self.folder / f"{self.number:06d}-{xxhash.xxh3_128_hexdigest(data)}.parquet", data)

    def discard(self) -> None:
        """Leave nothing of it."""
        with contextlib.suppress(OSError):  # on a full disk its buffer cannot be written out, nor need it be
            self._file.close()
        bytes_of(self.folder, self.number).unlink(missing_ok=True)


def bytes_of(folder: Path, number: int) -> Path:
    """The file of a shard's pixels."""
    return folder / f"{number:06d}.bin"


def drop_shard(folder: Path, number: int) -> None:
    """Remove a shard and what is said of it, as far as the disk lets it go."""
    for path in (*folder.glob(f"{number:06d}-*.parquet"), bytes_of(folder, number)):
        with contextlib.suppress(OSError):
            path.unlink()


def is_whole(folder: Path, number: int, length: int) -> bool:
    """Whether a shard has at least ``length`` bytes."""
    try:
        return bytes_of(folder, number).stat().st_size >= length
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Part:
    """What one shard holds: a table of `SCHEMA`."""

    number: int
    path: Path
    table: pa.Table

    @property
    def whole(self) -> bool:
        """Whether its pixels are there and not cut short; what they are is not looked at."""
        ends = [
            row["offset"] + row["height"] * row["width"] * row["channels"]
            for row in self.table.select(["offset", "height", "width", "channels"]).to_pylist()
        ]
        return is_whole(self.path.parent, self.number, max(ends, default=0))


def read_parts(folder: Path) -> Iterator[Part]:
    """The parts in order; one that is damaged is passed over, and its pictures are as if they had never been kept."""
    for path in sorted(folder.glob("*.parquet")):
        match = _PART.fullmatch(path.name)
        if match is None:
            continue
        try:
            data = path.read_bytes()
        except OSError:
            continue
        if xxhash.xxh3_128_hexdigest(data) != match[2]:
            continue
        # Not by Arrow's threads: one that still lets go of Python's bytes while the interpreter ends aborts the process.
        with pq.ParquetFile(pa.BufferReader(data), pre_buffer=False) as file:
            table = file.read(use_threads=False)
        if table.schema == SCHEMA:
            yield Part(int(match[1]), path, table)
