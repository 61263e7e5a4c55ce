"""The results folder: one JSON record and one Parquet of predictions a trial, written so that no kill can spoil them.

``<root>/<task>/<method>@<variant>/<key>.json`` beside ``<key>.parquet``. A record exists when its JSON does; the Parquet is
renamed into place before it. Several processes may share a folder: each holds the trial's lock, which the operating
system drops when a process dies.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medbench import records
from medbench.errors import NewerRecordError, StoreError
from medbench.files import remove_partial_files, write_atomically, write_bytes_atomically
from medbench.records import Record

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Loaded:
    """Every readable record of a store, and what could not be read (one line each)."""

    records: tuple[Record, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ResultStore:
    """Records below ``root``."""

    root: Path

    def path(self, task: str, method_id: str, key: str) -> Path:
        """Where the record of that trial is, or would be."""
        return self.root / task / method_id / f"{key}.json"

    def exists(self, task: str, method_id: str, key: str) -> bool:
        """Whether the trial is done. A damaged record counts as not done; `NewerRecordError` where it is of the future."""
        path = self.path(task, method_id, key)
        try:
            return records.decode(path.read_bytes(), str(path)).key == key
        except NewerRecordError:
            raise
        except (StoreError, OSError):
            return False

    def names(self, task: str, method_id: str) -> frozenset[str]:
        """The keys under which that method has anything on that task, done or damaged: one look at the folder."""
        return frozenset(path.stem for path in (self.root / task / method_id).glob("*.json"))

    def read(self, task: str, method_id: str, key: str) -> Record:
        """One record. Raises `StoreError` where it is absent or damaged."""
        path = self.path(task, method_id, key)
        try:
            return records.decode(path.read_bytes(), str(path))
        except OSError as error:
            raise StoreError(f"no record at {path}") from error

    def read_all(self) -> Loaded:
        """All records, sorted by task, method, fraction, seed and key."""
        found, problems = [], []
        for path in sorted(self.root.glob("*/*/*.json")):
            if any(part.startswith(".") for part in path.relative_to(self.root).parts):
                continue  # half-written, or not ours
            try:
                found.append(records.decode(path.read_bytes(), str(path)))
            except FileNotFoundError:
                continue  # replaced by another process meanwhile
            except (StoreError, OSError) as error:
                problems.append(str(error))
        found.sort(key=lambda one: (one.task, one.method_id, one.recipe_label, one.fraction, one.seed, one.key))
        return Loaded(tuple(found), tuple(problems))

    def write(self, record: Record, predictions: pa.Table) -> None:
        """Write the predictions, then the record. Raises `StoreError`; then no record is left behind."""
        import pyarrow.parquet as pq

        path = self.path(record.task, record.method_id, record.key)
        write_atomically(
            path.with_suffix(".parquet"), lambda temporary: pq.write_table(predictions, temporary, compression="zstd")
        )
        self.write_record(record)

    def write_record(self, record: Record) -> None:
        """Write the JSON alone, over an older one of the same key."""
        write_bytes_atomically(self.path(record.task, record.method_id, record.key), records.encode(record))

    def read_predictions(self, record: Record) -> pa.Table:
        """The kept per-sample predictions. Raises `StoreError` where they are absent or damaged."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.path(record.task, record.method_id, record.key).with_suffix(".parquet")
        try:
            return pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise StoreError(f"the predictions {path} are absent or damaged") from error

    @contextlib.contextmanager
    def claim(self, task: str, method_id: str, key: str, *, wait: bool = False) -> Iterator[bool]:
        """Hold a trial against other processes; gives False at once where another holds it, unless told to ``wait``."""
        import filelock

        folder = self.path(task, method_id, key).parent
        lock_path = self.root / ".locks" / f"{key}.lock"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock_path.parent.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(lock_path)
            lock.acquire(timeout=-1 if wait else 0)
        except filelock.Timeout:
            yield False
            return
        except OSError as error:
            raise StoreError(
                f"cannot write in {self.root}: {error.strerror}", fix="choose another --results"
            ) from error
        try:
            remove_partial_files(folder, key)
            yield True
        finally:
            lock.release()
