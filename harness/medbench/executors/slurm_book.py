"""Which jobs carry which trials, in the results folder: a driver that is started again takes them up."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from medbench.errors import StoreError
from medbench.files import write_bytes_atomically

_KEPT_S = 7 * 24 * 3600


class Job(msgspec.Struct, frozen=True):
    """A submitted job: Slurm's id and name of it, its trials, and the name of the file it tells its events to."""

    id: str
    name: str
    keys: tuple[str, ...]
    events: str


@dataclass(frozen=True, slots=True)
class JobBook:
    """``jobs.json`` below ``folder``; several drivers may share it."""

    folder: Path

    @property
    def logs(self) -> Path:
        """Where submitit keeps what it submits, and the jobs' logs."""
        return self.folder / "jobs"

    def events_of(self, name: str) -> Path:
        """The file that a job tells its events to."""
        return self.folder / "events" / f"{name}.jsonl"

    def jobs(self) -> tuple[Job, ...]:
        """The jobs written down; none where the file is absent or damaged: their trials are then submitted again."""
        try:
            return msgspec.json.decode((self.folder / "jobs.json").read_bytes(), type=tuple[Job, ...])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return ()

    def add(self, jobs: Iterable[Job]) -> None:
        """Write jobs down. Raises `StoreError` where the folder is not writable."""
        with self._lock():
            self._write((*self.jobs(), *jobs))

    def drop(self, jobs: Iterable[Job]) -> None:
        """Strike jobs off, and remove what they told. Logs stay for a while."""
        gone = {job.events for job in jobs}
        if not gone:
            return
        with self._lock():
            self._write(tuple(job for job in self.jobs() if job.events not in gone))
        for name in gone:
            self.events_of(name).unlink(missing_ok=True)

    def prepare(self) -> None:
        """Make the folders. Raises `StoreError` where that cannot be."""
        try:
            for path in (self.logs, self.folder / "events"):
                path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot write in {self.folder}: {error.strerror}", fix="choose another --results"
            ) from error

    def tidy(self, alive: Collection[str]) -> None:
        """Remove submissions and logs of over a week ago, but for those of the arrays, or single jobs, ``alive``."""
        for path in self.logs.iterdir():
            of_a_live_job = path.name.partition("_")[0] in alive
            with contextlib.suppress(FileNotFoundError):  # another driver tidies too
                if not of_a_live_job and time.time() - path.lstat().st_mtime > _KEPT_S:
                    path.unlink()

    def _write(self, jobs: tuple[Job, ...]) -> None:
        write_bytes_atomically(self.folder / "jobs.json", msgspec.json.encode(jobs))

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        import filelock

        try:
            with filelock.FileLock(self.folder / "jobs.lock"):
                yield
        except OSError as error:
            raise StoreError(
                f"cannot write in {self.folder}: {error.strerror}", fix="choose another --results"
            ) from error
