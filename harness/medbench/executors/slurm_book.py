"""Which jobs carry which trials, in the results folder: a driver that is started again takes them up."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from medbench.errors import StoreError
from medbench.files import write_bytes_atomically

_KEPT_S = 7 * 24 * 3600


class Job(msgspec.Struct, frozen=True):
    """A submitted job: Slurm's id and name of it, its trials, the name of the file it tells its events to, and whose it is."""

    id: str
    name: str
    keys: tuple[str, ...]
    events: str
    uid: int = msgspec.field(default_factory=os.getuid)


@dataclass(frozen=True, slots=True)
class JobBook:
    """``jobs.json`` below ``folder``; several drivers may share it."""

    folder: Path

    @property
    def logs(self) -> Path:
        """Where submitit keeps what this user submits, and the logs of it; nobody else may read or write there."""
        return self.folder / f"jobs-{os.getuid()}"

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
        """Strike jobs off. What they told stays for a while, as their logs do: another driver may not have read it."""
        gone = {job.events for job in jobs}
        if not gone:
            return
        with self._lock():
            self._write(tuple(job for job in self.jobs() if job.events not in gone))

    def prepare(self) -> None:
        """Make the folders. Raises `StoreError` where that cannot be, or where another user holds that of the logs.

        A job unpickles from there what it is to do, trackers' settings with it.
        """
        try:
            (self.folder / "events").mkdir(parents=True, exist_ok=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            if self.logs.lstat().st_uid != os.getuid():
                raise StoreError(f"{self.logs} belongs to another user", fix="remove it, or choose another --results")
            self.logs.chmod(0o700)
        except OSError as error:
            raise StoreError(
                f"cannot write in {self.folder}: {error.strerror}", fix="choose another --results"
            ) from error

    def tidy(self, alive: Collection[str]) -> None:
        """Remove what is over a week old, but for submissions and logs of the arrays, or single jobs, ``alive``.

        What jobs told goes with it, but for those in the book.
        """
        told = {self.events_of(job.events) for job in self.jobs()}
        old = [path for path in self.logs.iterdir() if path.name.partition("_")[0] not in alive]
        old += [path for path in (self.folder / "events").iterdir() if path not in told]
        for path in old:
            with contextlib.suppress(FileNotFoundError, PermissionError):  # another driver tidies too; another user's
                if time.time() - path.lstat().st_mtime > _KEPT_S:
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
