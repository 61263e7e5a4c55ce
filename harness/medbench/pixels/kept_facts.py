"""What a folder's parts say of the files that its pictures were decoded from: what need not be decoded again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medbench.manifest import ImageFacts
from medbench.pixels.decoding import Wanted
from medbench.pixels.shards import SCHEMA, Part, bytes_of, picture_key, read_parts, region_text
from medbench.pixels.sources import Stamp, key_of
from medbench.pixels.store import DTYPE


class KeptFacts:
    """The parts of a folder as columns, looked up by file."""

    def __init__(self, folder: Path) -> None:
        tables = [part.table for part in read_parts(folder) if part.whole]
        self._table = pa.concat_tables(tables).combine_chunks() if tables else SCHEMA.empty_table()
        keys = np.array([_key(path) for path in self._table.column("path").to_pylist()], np.uint64)
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def find(self, file: Wanted, stamp: Stamp, sha256: Callable[[], str]) -> ImageFacts | None:
        """The file's facts, where all its pictures are kept as they are in the file of that stamp.

        A file of another stamp and the same size may be the same: ``sha256`` is then asked for its hash.
        """
        key = np.uint64(key_of(file.path))
        name = file.path.encode(errors="surrogateescape")
        first, last = (int(np.searchsorted(self._keys, key, side)) for side in ("left", "right"))
        of_file: list[dict[str, Any]] = [
            row
            for row in self._table.take(pa.array(self._order[first:last])).to_pylist()
            if row["source_size"] == stamp.size and row["path"] == name
        ]
        rows = [row for row in of_file if row["source_time"] == stamp.time]
        if of_file and not rows:
            present = bytes.fromhex(sha256())
            rows = [row for row in of_file if row["sha256"] == present]
        if not rows:
            return None
        facts = _facts(rows[-1])
        held = {row["region"] for row in rows if row["sha256"] == rows[-1]["sha256"]}
        asked = {region_text(region) for region in file.fitted(facts.height, facts.width)}
        return facts if asked <= held else None


def build_index(folder: Path, sources: NDArray[Any]) -> tuple[NDArray[Any], set[str]]:
    """The index (of `medbench.pixels.store.DTYPE`) of what is kept of the files in ``sources`` as they are there.

    With it, the names of the files that it points into; no other part is of use.
    """
    parts = {part.number: part for part in read_parts(folder) if part.whole}
    pieces = [_current(part, sources) for part in parts.values()]
    rows = np.concatenate(pieces) if pieces else np.zeros(0, DTYPE)
    backwards = rows[::-1]  # of a picture that was kept twice the last one counts
    index = backwards[np.unique(backwards["key"], return_index=True)[1]]
    used = [parts[number] for number in np.unique(index["shard"]).tolist()]
    return index, {part.path.name for part in used} | {bytes_of(folder, part.number).name for part in used}


def _current(part: Part, sources: NDArray[Any]) -> NDArray[Any]:
    found = part.table.to_pylist()
    names = [row["path"].decode(errors="surrogateescape") for row in found]
    of_file = {int(row["key"]): row["sha256"].tobytes() for row in _rows_of(names, sources)}
    rows = [
        (
            picture_key(name, row["region"]),
            row["checksum"],
            row["offset"],
            part.number,
            row["height"],
            row["width"],
            row["channels"],
        )
        for name, row in zip(names, found, strict=True)
        if of_file.get(key_of(name)) == row["sha256"]
    ]
    return np.array(rows, DTYPE)


def _rows_of(names: Sequence[str], sources: NDArray[Any]) -> NDArray[Any]:
    """Those of ``sources``, which are sorted, that have one of these names."""
    keys = np.unique(np.array([key_of(name) for name in names], np.uint64))
    return sources[np.isin(sources["key"], keys, assume_unique=True)]


def _facts(row: dict[str, Any]) -> ImageFacts:
    return ImageFacts(
        row["image_height"],
        row["image_width"],
        row["sha256"].hex(),
        pixels=row["pixels"].hex(),
        low=row["low"],
        high=row["high"],
        mean=row["mean"],
    )


def _key(path: bytes) -> int:
    return key_of(path.decode(errors="surrogateescape"))
