"""Filling a folder of kept pixels while a dataset is decoded: what is there already is taken from it, the rest is added."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from medbench.checkpoints import sha256_of
from medbench.errors import StoreError
from medbench.files import remove_partial_files, write_bytes_atomically
from medbench.manifest import Picture
from medbench.pixels.decoding import Decoded, Wanted, decode
from medbench.pixels.kept_facts import KeptFacts, build_index
from medbench.pixels.places import STATE, State, read_state, write_state
from medbench.pixels.reducing import reduced
from medbench.pixels.shards import ShardWriter, drop_shard
from medbench.pixels.sources import DTYPE, Stamp, hash_in, place_of, stamp_in, stamp_of
from medbench.pixels.store import KeptPixels, index_digest
from medbench.samples import Problem


class Keeper:
    """A folder that is being filled by the one process that holds its lock.

    ``of`` is what the folder is of; a folder of anything else is cleared first. ``full`` is that of the same dataset at full
    size, from which pictures are made smaller without decoding; ``listed`` (of `medbench.pixels.sources.DTYPE`) has the
    hashes of files as they were at the last preparation. What goes wrong in writing ends the keeping and is held as
    ``error``; it never ends the pass.
    """

    def __init__(self, folder: Path, of: State, full: Path | None = None, listed: NDArray[Any] | None = None) -> None:
        self.folder = folder
        self.error: OSError | StoreError | None = None
        self._of = of
        self._shard: ShardWriter | None = None
        self._number = 0
        self._before = 0
        self._listed: NDArray[Any] = np.zeros(0, DTYPE) if listed is None else np.array(listed)
        self._keys = np.ascontiguousarray(self._listed["key"])
        try:
            self._clear()
        except (OSError, StoreError) as error:
            self.error = error
        self._facts = KeptFacts(folder)
        self._full = None if full is None or full == folder else (KeptFacts(full), KeptPixels(full))

    def decode(self, root: Path, file: Wanted) -> Decoded | Problem:
        """As `medbench.pixels.decoding.decode`, without reading the file where its pixels are kept. Used by many threads."""
        try:
            known = self._known(root, file, stamp_of(root / file.path))
        except (OSError, ValueError):  # no such file, or no name for one: decoding says so
            known = None
        if known is not None:
            return known
        return decode(root, file, side=self._of.side, colour=self._of.colour, keep=self.error is None)

    def add(self, file: Wanted, decoded: Decoded) -> None:
        """Keep what was decoded of a file, if anything was."""
        if self.error is not None:
            return
        try:
            for region, pixels in decoded.pictures:
                if self._shard is None:
                    self._shard = ShardWriter(self.folder, self._number)
                    self._number += 1
                self._shard.add(file.path, region, pixels, decoded.facts, decoded.stamp)
                if self._shard.full:
                    self._close()
        except (OSError, StoreError) as error:
            self._fail(error)

    def flush(self) -> None:
        """Have all that was added on the disk."""
        if self.error is None:
            try:
                self._close()
            except (OSError, StoreError) as error:
                self._fail(error)

    def finish(self, sources: NDArray[Any], *, manifest: str) -> None:
        """Make the index of a manifest's pictures, point to it, and drop what it has no use for."""
        if self.error is not None:
            return
        try:
            index, used = build_index(self.folder, sources)
            data = index.tobytes()
            state = msgspec.structs.replace(self._of, manifest=manifest, index=index_digest(data), pictures=len(index))
            write_bytes_atomically(self.folder / state.index_name, data)
            write_state(self.folder, state)
        except (OSError, StoreError) as error:
            self._fail(error)
            return
        for path in self.folder.iterdir():
            if path.name not in used | {STATE, state.index_name}:
                with contextlib.suppress(OSError):  # it takes room, and the next preparation tries again
                    path.unlink()

    def abandon(self) -> bool:
        """Give back the room of all that was added; whether anything is kept here from before."""
        self._discard()
        for number in range(self._before, self._number):
            drop_shard(self.folder, number)
        if any(self.folder.glob("*.parquet")):
            return True
        shutil.rmtree(self.folder, ignore_errors=True)
        return False

    def close(self) -> None:
        """Leave no shard half-filled."""
        self._discard()

    def _known(self, root: Path, file: Wanted, stamp: Stamp) -> Decoded | None:
        """What is kept of a file, here or at full size; None unless that is all of it."""
        sha256 = cache(partial(self._sha256, root, file.path, stamp))
        facts = self._facts.find(file, stamp, sha256)
        return self._smaller(file, stamp, sha256) if facts is None else Decoded(facts, stamp)

    def _sha256(self, root: Path, name: str, stamp: Stamp) -> str:
        place = place_of(self._keys, name)
        if place is not None and stamp_in(self._listed[place]) == stamp:
            return hash_in(self._listed[place])
        return sha256_of(root / name)

    def _smaller(self, file: Wanted, stamp: Stamp, sha256: Callable[[], str]) -> Decoded | None:
        """The file's pictures out of those of full size; None unless all of them are there."""
        if self._full is None or self.error is not None:
            return None
        known, kept = self._full
        facts = known.find(file, stamp, sha256)
        if facts is None:
            return None
        source = bytes.fromhex(facts.sha256)
        pictures = []
        for region in file.fitted(facts.height, facts.width):
            pixels = kept.get(Picture(file.path, region), source)
            if pixels is None:
                return None
            pictures.append((region, reduced(pixels, self._of.side)))
        return Decoded(facts, stamp, tuple(pictures))

    def _clear(self) -> None:
        """Keep what is of the same kind and whole; remove the rest, such as what a killed process left."""
        state = read_state(self.folder)
        same = state is not None and (state.dataset, state.side, state.colour) == (
            self._of.dataset,
            self._of.side,
            self._of.colour,
        )
        if self.folder.is_dir() and not same:
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        if not same:
            write_state(self.folder, self._of)
        remove_partial_files(self.folder)
        told = {path.name.partition("-")[0] for path in self.folder.glob("*.parquet")}
        for path in self.folder.glob("*.bin"):
            if path.stem not in told:
                path.unlink()
        self._before = self._number = 1 + max((int(one) for one in told if one.isdecimal()), default=-1)

    def _close(self) -> None:
        if self._shard is not None:
            self._shard.close()
            self._shard = None

    def _fail(self, error: OSError | StoreError) -> None:
        self.error = error
        self._discard()

    def _discard(self) -> None:
        if self._shard is not None:
            self._shard.discard()
            self._shard = None
