"""The image files that a manifest was made from, each with its size, time and SHA-256: how a later change is noticed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from medbench.checkpoints import sha256_of
from medbench.errors import MissingDataError

DTYPE = np.dtype([("key", "<u8"), ("size", "<i8"), ("time", "<i8"), ("sha256", "u1", (32,))])


class Stamp(NamedTuple):
    """A file's size in bytes and its time of change in nanoseconds."""

    size: int
    time: int


def stamp_of(path: Path) -> Stamp:
    """Raises `OSError` where the file is not there."""
    found = os.stat(path)  # noqa: PTH116 - a call for each of a million pictures
    return Stamp(found.st_size, found.st_mtime_ns)


def key_of(name: str) -> int:
    """The 64-bit key of a file's path below the root, with any bytes that a file system allows."""
    return xxhash.xxh3_64_intdigest(name.encode(errors="surrogateescape"))


def build(found: Iterable[tuple[str, Stamp, str]]) -> NDArray[Any]:
    """Path, stamp and hexadecimal SHA-256 of each file -> an array of `DTYPE`, by key.

    Two paths with one key are both left out: neither is watched, and nothing is kept of them.
    """
    rows = np.array(
        [(key_of(name), *stamp, np.frombuffer(bytes.fromhex(sha256), np.uint8)) for name, stamp, sha256 in found], DTYPE
    )
    keys, places, counts = np.unique(rows["key"], return_index=True, return_counts=True)
    return rows[places[counts == 1]] if len(keys) else rows


class Sources:
    """`build`'s array in a file, read through a memory map; each file is looked at once in a process."""

    def __init__(self, path: Path, root: Path, dataset: str) -> None:
        self._path = path
        self._root = root
        self._dataset = dataset
        self._rows: NDArray[Any] | None = None
        self._keys = np.zeros(0, np.uint64)
        self._checked = bytearray()

    def __reduce__(self) -> tuple[type[Sources], tuple[Path, Path, str]]:
        return Sources, (self._path, self._root, self._dataset)

    def sha256(self, name: str) -> bytes | None:
        """The SHA-256 of a file of the manifest, which it still has; None where it is not known or the file is not there.

        A file of another size or time is hashed: one that was copied is the same. Raises `MissingDataError` where its bytes
        have changed.
        """
        rows = self._opened()
        key = key_of(name)
        place = int(np.searchsorted(self._keys, np.uint64(key)))
        if place == len(self._keys) or int(self._keys[place]) != key:
            return None
        row = rows[place]
        known: bytes = row["sha256"].tobytes()
        if not self._checked[place]:
            path = self._root / name
            try:
                same = stamp_of(path) == (int(row["size"]), int(row["time"])) or sha256_of(path) == known.hex()
            except OSError:  # whoever reads it says what is wrong
                return None
            if not same:
                raise MissingDataError(
                    f"{name} has changed since {self._dataset} was prepared",
                    fix=f"medbench data prepare {self._dataset} --force",
                )
            self._checked[place] = 1
        return known

    def _opened(self) -> NDArray[Any]:
        """Without a lock: a second thread may do it too, and a process that forks is never caught holding one."""
        if self._rows is None:
            try:
                rows: NDArray[Any] = np.memmap(self._path, DTYPE, "r")
            except (OSError, ValueError):  # of texts alone, or on a machine that has the data and not the cache
                rows = np.zeros(0, DTYPE)
            self._keys = np.ascontiguousarray(rows["key"])
            self._checked = bytearray(len(rows))
            self._rows = rows
        return self._rows
