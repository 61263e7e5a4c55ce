"""Whether the pixels of a dataset are kept, as the user says and the disk allows; and one process at a time that does it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import pyarrow.parquet as pq
from numpy.typing import NDArray

from medbench.datasets import DatasetFiles, ManifestInfo
from medbench.errors import StoreError
from medbench.pixels import sources
from medbench.pixels.decoding import Wanted
from medbench.pixels.estimate import SHARE, Estimate, at_side, estimate, free_room, say_declined, say_estimate
from medbench.pixels.keeper import Keeper
from medbench.pixels.places import FORMAT, State, folder_of, in_words, lock_of, read_state, sides_of, size_of
from medbench.pixels.shards import bytes_of, drop_shard
from medbench.pixels.store import flaw
from medbench.samples import Region

Say = Callable[[str], None]
_MENDS = "free some room, or prepare with a smaller --side or with --keep-pixels never"


def say_nothing(text: str) -> None:
    """For callers that tell nobody."""


class Keeping:
    """The keeping of one dataset's pixels during one `medbench.preparation.prepare`; unless ``allowed`` none are kept."""

    def __init__(self, files: DatasetFiles, side: int, say: Say, *, allowed: bool) -> None:
        self.side = side
        self.allowed = allowed
        self._files = files
        self._say = say
        self._keeper: Keeper | None = None

    def keeper(self, wanted: Sequence[Wanted]) -> Keeper | None:
        """Say how much room ``wanted`` takes; who keeps it, or None where it is not kept."""
        if not self.allowed or not wanted or self._files.pixels is None:
            return None
        spec = self._files.spec
        found = estimate(self._files.root, wanted, colour=spec.colour)
        self._say(say_estimate(spec.id, found, self.side, free_room(self._files.pixels)))
        if not _is_room(self._files, found, self.side):
            self._say(say_declined(spec.id, found, self.side))
            return None
        of = State(FORMAT, spec.id, self.side, spec.colour, root=str(self._files.root.resolve()))
        full = folder_of(self._files.pixels, 0)
        self._keeper = Keeper(
            folder_of(self._files.pixels, self.side),
            of,
            full if is_of(full, self._files) else None,
            sources.read(self._files.sources_path),
        )
        return self._keeper

    def settle(self) -> None:
        """After the pass: where the disk was full, give back the room that it took, unless pixels are always to be kept."""
        if self._keeper is not None and self._keeper.error is not None and self._files.keeping != "always":
            which = "those that are not kept yet" if self._keeper.abandon() else "images"
            self._say(
                f"{self._files.spec.id}: pixels are not kept ({_reason(self._keeper)}); {which} are decoded whenever they"
                f" are read - {_MENDS}"
            )
            self._keeper = None

    def finish(self, listed: NDArray[Any], info: ManifestInfo) -> None:
        """The manifest is written: its pictures can be read. Folders that this dataset can no longer use are removed.

        Raises `StoreError` where pixels were always to be kept and are not.
        """
        keeper = self._keeper
        if keeper is None:
            return
        keeper.finish(listed, manifest=info.sha256)
        self.settle()
        if keeper.error is not None and self._keeper is not None:
            message = f"the pixels of {info.dataset} are not all kept: {_reason(keeper)}; its manifest is made"
            raise StoreError(message, fix=_MENDS)
        if self._keeper is not None and self._files.pixels is not None:
            for folder in sides_of(self._files.pixels):
                if not is_of(folder, self._files):
                    shutil.rmtree(folder, ignore_errors=True)  # the next preparation tries again
            kept = in_words(size_of(keeper.folder))
            self._say(f"{info.dataset}: {kept} of pixels kept {at_side(self.side)}")

    def close(self) -> None:
        """Leave nothing half-written."""
        if self._keeper is not None:
            self._keeper.close()


@contextmanager
def keeping(files: DatasetFiles, side: int, say: Say, *, force: bool = False) -> Iterator[Keeping]:
    """Alone among all processes with the dataset's kept pixels; ``force`` drops what there is of them.

    Where the folder cannot be written nothing is kept; raises `StoreError` then if it always is to be.
    """
    never = files.keeping == "never"
    if files.pixels is None or (never and not (force and sides_of(files.pixels))):
        yield Keeping(files, side, say, allowed=False)
        return
    lock = filelock.FileLock(lock_of(files.pixels))
    try:
        files.pixels.parent.mkdir(parents=True, exist_ok=True)
        _acquire(lock, files, say)
        if force:
            for folder in sides_of(files.pixels):
                shutil.rmtree(folder)
    except OSError as error:
        lock.release()
        if files.keeping == "always":
            raise StoreError(
                f"cannot write {files.pixels.parent}: {error.strerror}", fix="choose another --cache"
            ) from error
        say(f"{files.spec.id}: pixels are not kept ({files.pixels.parent}: {error.strerror})")
        yield Keeping(files, side, say, allowed=False)
        return
    pass_ = Keeping(files, side, say, allowed=not never)
    try:
        yield pass_
    finally:
        pass_.close()
        lock.release()


def lacks_pixels(files: DatasetFiles, info: ManifestInfo, say: Say) -> bool:
    """Whether a dataset is prepared, its pixels are to be kept, and are not; where there is no room, that is said.

    Looks at the index and the length of each shard, not at pixels.
    """
    if files.pixels is None or files.keeping == "never":
        return False
    folder = folder_of(files.pixels, info.side)
    state = read_state(folder)
    kept = state is not None and is_of(folder, files) and state.index and state.manifest == info.sha256
    if state is not None and kept and not flaw(folder, state):
        return False
    wanted = wanted_of_manifest(files)
    found = estimate(files.root, wanted, colour=files.spec.colour)
    if not wanted or _is_room(files, found, info.side):
        return bool(wanted)
    say(say_declined(info.dataset, found, info.side))
    return False


def drop_shards(folder: Path, shards: Collection[int]) -> bool:
    """Remove shards, to be made again; false where another process holds the folder, or it cannot be written."""
    try:
        with filelock.FileLock(lock_of(folder.with_name(folder.name.rpartition("-")[0])), timeout=0):
            for shard in shards:
                drop_shard(folder, shard)
            return not any(bytes_of(folder, shard).exists() for shard in shards)
    except (OSError, filelock.Timeout):
        return False


def wanted_of_manifest(files: DatasetFiles) -> list[Wanted]:
    """Every file of a prepared dataset that could be used, and its pictures."""
    table = pq.read_table(files.table_path, columns=["image", "region", "previous", "others"])
    found: dict[str, dict[Region | None, None]] = {}
    for batch in table.to_batches(max_chunksize=4096):
        for row in batch.to_pylist():
            if row["image"]:
                found.setdefault(row["image"], {})[Region(*row["region"]) if row["region"] else None] = None
            for name in (row["previous"], *row["others"]):
                if name:
                    found.setdefault(name, {})[None] = None
    return [Wanted(path, tuple(regions)) for path, regions in found.items()]


def _is_room(files: DatasetFiles, found: Estimate, side: int) -> bool:
    if files.keeping == "always" or files.pixels is None:
        return True
    needed = found.bytes_at(side) - size_of(folder_of(files.pixels, side))
    return needed <= SHARE * free_room(files.pixels)


def is_of(folder: Path, files: DatasetFiles) -> bool:
    """Whether a folder is of this dataset, in a form that it can use."""
    state = read_state(folder)
    return state is not None and (state.dataset, state.colour) == (files.spec.id, files.spec.colour)


def _acquire(lock: filelock.FileLock, files: DatasetFiles, say: Say) -> None:
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        say(f"{files.spec.id}: another process is preparing it; waiting for it to end")
        lock.acquire()


def _reason(keeper: Keeper) -> str:
    error = keeper.error
    if isinstance(error, StoreError):
        return error.message
    return "" if error is None else error.strerror or type(error).__name__
