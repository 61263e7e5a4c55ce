"""Where kept pixels lie, what each folder is of, and how one is removed. Loads neither numpy nor pyarrow."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from medbench.errors import StoreError
from medbench.files import write_bytes_atomically

FORMAT = 1
"""Rises when kept pixels of an older medbench must be made again, also where its decoders gave other numbers."""
STATE = "store.json"


class State(msgspec.Struct, frozen=True):
    """What a folder of kept pixels is of.

    ``manifest`` is the content hash that the index was made for; ``index`` is the XXH3-128 of the index, by which it is
    named too, '' while the first pass is under way. ``root`` is where the raw files lie ('' where an older medbench did not
    say).
    """

    format: int
    dataset: str
    side: int
    colour: bool
    manifest: str = ""
    index: str = ""
    pictures: int = 0
    root: str = ""

    @property
    def index_name(self) -> str:
        """The file of the index: another one for other content, so that this state never speaks of a half-replaced one."""
        return f"index-{self.index}.raw"


@dataclass(frozen=True, slots=True)
class KeptStore:
    """One folder: the dataset ('' where it does not say), its bytes on the disk, and when it was last used (a time stamp).

    ``root`` is where the raw files lay that it was made from, '' where it does not say.
    """

    folder: Path
    dataset: str
    size: int
    used: float
    root: str = ""


def folder_of(base: Path, side: int) -> Path:
    """The folder at ``base`` (``<cache>/pixels/<dataset>-<place>``) of pictures of that shorter side; 0: of full size."""
    return base.with_name(f"{base.name}-{side or 'full'}")


def sides_of(base: Path) -> list[Path]:
    """Every folder that is there at ``base``, whatever its side."""
    found = (path for path in base.parent.glob(f"{base.name}-*") if path.is_dir())
    return sorted(path for path in found if _is_side(path.name.removeprefix(f"{base.name}-")))


def _is_side(text: str) -> bool:
    return text == "full" or text.isdecimal()


def read_state(folder: Path) -> State | None:
    """What ``store.json`` says; None where there is none that this medbench reads."""
    try:
        state = msgspec.json.decode((folder / STATE).read_bytes(), type=State)
    except (OSError, ValueError, msgspec.MsgspecError):  # a spoilt byte need not even be text
        return None
    return state if state.format == FORMAT else None


def write_state(folder: Path, state: State) -> None:
    """Raises `StoreError` where the disk does not take it."""
    write_bytes_atomically(folder / STATE, msgspec.json.encode(state))


def mark_used(folder: Path) -> None:
    """Note that it is used now, for whoever clears what is not; of a cache that is read-only it is not noted."""
    try:
        os.utime(folder / STATE)
    except OSError:
        return


def size_of(folder: Path) -> int:
    """Bytes of its files; 0 where it is not there. A file that goes meanwhile does not count."""
    size = 0
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as found:
        for one in found:
            with contextlib.suppress(FileNotFoundError):
                size += one.stat().st_size
    return size


def in_words(size: int) -> str:
    """``812 kB``, ``3.4 MiB``, ``28.4 GiB``: enough to weigh it against a disk."""
    for unit, name in ((30, "GiB"), (20, "MiB")):
        if size >= 1 << unit:
            return f"{size / (1 << unit):,.1f} {name}"
    return f"{size / 1024:,.0f} KiB"


def stores(cache: Path) -> list[KeptStore]:
    """Every folder of kept pixels under the cache, last used first."""
    found = []
    for folder in (cache / "pixels").glob("*"):
        if not folder.is_dir():
            continue
        state = read_state(folder)
        dataset, root = ("", "") if state is None else (state.dataset, state.root)
        with contextlib.suppress(FileNotFoundError):  # another process has just removed it
            used = (folder / STATE if state is not None else folder).stat().st_mtime
            found.append(KeptStore(folder, dataset, size_of(folder), used, root))
    return sorted(found, key=lambda one: (-one.used, one.folder.name))


def remove(folder: Path) -> None:
    """Remove a folder of kept pixels. Raises `StoreError` where another process fills it, or the disk does not let it go."""
    import filelock

    try:
        with filelock.FileLock(lock_of(folder.with_name(folder.name.rpartition("-")[0])), timeout=0):
            shutil.rmtree(folder)
    except filelock.Timeout:
        raise StoreError(f"{folder} is being filled by another process", fix="wait for it to end") from None
    except OSError as error:
        raise StoreError(f"cannot remove {folder}: {error.strerror}") from error


def lock_of(base: Path) -> Path:
    """The lock that whoever writes at ``base`` holds."""
    return base.with_name(f"{base.name}.lock")
