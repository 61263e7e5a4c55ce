"""The image files that a manifest was made from, each with its size, time and SHA-256: how a later change is noticed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from medbench.checkpoints import sha256_of
from medbench.errors import MissingDataError
from medbench.pixels.threads import in_threads

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


def read(path: Path) -> NDArray[Any]:
    """`build`'s array out of a file, mapped; empty where the file is not there, or is cut."""
    try:
        rows: NDArray[Any] = np.memmap(path, DTYPE, "r")
    except (OSError, ValueError):
        return np.zeros(0, DTYPE)
    return rows


def digest_of(rows: NDArray[Any]) -> str:
    """SHA-256 of the files' names and contents: their stamps may be renewed."""
    digest = hashlib.sha256(np.ascontiguousarray(rows["key"]).data)
    digest.update(np.ascontiguousarray(rows["sha256"]).data)
    return digest.hexdigest()


def place_of(keys: NDArray[np.uint64], name: str) -> int | None:
    """Where a file is among sorted keys; None where it is not."""
    key = key_of(name)
    place = int(np.searchsorted(keys, np.uint64(key)))
    return place if place < len(keys) and int(keys[place]) == key else None


def stamp_in(row: Any) -> Stamp:
    """The stamp in a row of `DTYPE`."""
    return Stamp(int(row["size"]), int(row["time"]))


def hash_in(row: Any) -> str:
    """The hexadecimal SHA-256 in a row of `DTYPE`."""
    return str(row["sha256"].tobytes().hex())


def renewed(rows: NDArray[Any], root: Path, names: Iterable[str]) -> NDArray[Any] | None:
    """The list with the stamps that the files have now, those of another stamp hashed.

    None where one of ``names`` is gone, or has other bytes; a name that is not in the list is passed over.
    """
    found: NDArray[Any] = np.array(rows)
    keys = np.ascontiguousarray(rows["key"])

    def look(name: str) -> bool:
        place = place_of(keys, name)
        if place is None:
            return True
        try:
            stamp = stamp_of(root / name)
            if stamp != stamp_in(rows[place]):
                found["size"][place], found["time"][place] = stamp
                return sha256_of(root / name) == hash_in(rows[place])
        except OSError:
            return False
        return True

    return found if all(in_threads(look, names)) else None


class Sources:
    """`build`'s array in a file, read through a memory map; each file is looked at once in a process.

    ``digest`` is `digest_of` the array: another one in the file is of data that were prepared since.
    """

    def __init__(self, path: Path, root: Path, dataset: str, digest: str) -> None:
        self._path = path
        self._root = root
        self._dataset = dataset
        self._digest = digest
        self._rows: NDArray[Any] | None = None
        self._keys = np.zeros(0, np.uint64)
        self._checked = bytearray()
        self.hashed = 0
        """Files that were hashed in this process, because they have another stamp."""

    def __reduce__(self) -> tuple[type[Sources], tuple[Path, Path, str, str]]:
        return Sources, (self._path, self._root, self._dataset, self._digest)

    def sha256(self, name: str) -> bytes | None:
        """The SHA-256 of a file of the manifest, which it still has; None where it is not known or the file is not there.

        A file of another size or time is hashed: one that was copied is the same. Raises `MissingDataError` where its bytes
        have changed, or the list is not the one that the manifest was made with.
        """
        rows = self._opened()
        place = place_of(self._keys, name)
        if place is None:
            return None
        row = rows[place]
        known: bytes = row["sha256"].tobytes()
        if not self._checked[place]:
            path = self._root / name
            try:
                same = stamp_of(path) == stamp_in(row) or self._hash(path) == known.hex()
            except OSError:  # whoever reads it says what is wrong
                return None
            if not same:
                raise MissingDataError(
                    f"{name} has changed since {self._dataset} was prepared",
                    fix=f"medbench data prepare {self._dataset}",
                )
            self._checked[place] = 1
        return known

    def _hash(self, path: Path) -> str:
        self.hashed += 1
        return sha256_of(path)

    def _opened(self) -> NDArray[Any]:
        """Without a lock: a second thread may do it too, and a process that forks is never caught holding one."""
        if self._rows is None:
            rows = read(self._path)
            if digest_of(rows) != self._digest and self._path.exists():  # not on a machine that has the data alone
                raise MissingDataError(
                    f"{self._dataset} was prepared anew while its pictures were read", fix="start the command again"
                )
            self._keys = np.ascontiguousarray(rows["key"])
            self._checked = bytearray(len(rows))
            self._rows = rows
        return self._rows
