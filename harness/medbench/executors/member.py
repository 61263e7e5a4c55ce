"""The driver's end of a worker process: start it, give it jobs, hear its events, and tell how it died."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from typing import IO

import msgspec

from medbench.executors.events import Event, Job, from_bytes
from medbench.executors.seats import Seat, safe_path

_LAST_WORDS = 200_000
"""Bytes of a dead worker's stderr that are kept."""


@dataclass(slots=True)
class Member:
    """One worker process, in a process group of its own, so that Ctrl-C reaches the driver alone."""

    seat: Seat
    _process: subprocess.Popen[bytes]
    _events: int
    _log: IO[bytes]
    _rest: bytes = b""
    _heard_all: bool = field(default=False)

    @classmethod
    def start(cls, seat: Seat, settings: str) -> Member:
        """Start a process; ``settings`` is a line of `medbench.executors.orders.settings_to_text`."""
        events, theirs = os.pipe()
        os.set_blocking(events, False)
        log = tempfile.TemporaryFile()  # noqa: SIM115 - the member closes it
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "medbench.executors.serve", str(theirs)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[theirs],
                start_new_session=True,
                env={**os.environ, **safe_path(), **seat.environment},
            )
        finally:
            os.close(theirs)
        member = cls(seat, process, events, log)
        member._send(settings.encode())
        return member

    def fileno(self) -> int:
        """The pipe of events, for `selectors`."""
        return self._events

    def give(self, job: Job) -> None:
        """Have a job done. A worker that is dead already takes it, and is found dead by `death`."""
        os.ftruncate(self._log.fileno(), 0)
        os.lseek(self._log.fileno(), 0, os.SEEK_SET)
        self._send(msgspec.json.encode(job))

    def hear(self) -> list[Event]:
        """The events that have come in; never waits."""
        while not self._heard_all:
            try:
                read = os.read(self._events, 1 << 16)
            except BlockingIOError:
                break
            self._rest += read
            self._heard_all = not read
        *lines, self._rest = self._rest.split(b"\n")
        return [from_bytes(line) for line in lines]

    def death(self) -> str | None:
        """How the process died, ``killed by SIGKILL``; None while it lives. One that can tell nothing any more is killed."""
        if self._heard_all:
            self._reap(5)
        code = self._process.poll()
        if code is None:
            return None
        if code >= 0:
            return f"it ended with exit code {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"killed by {name}" + (" (out of memory?)" if -code == signal.SIGKILL else "")

    def last_words(self) -> str:
        """What was printed since the last job was given, its end where that is long."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), _LAST_WORDS, max(0, size - _LAST_WORDS)).decode(errors="replace")

    def dismiss(self) -> None:
        """Ask it to end: at once where it is idle, as by Ctrl-C where it is in a trial."""
        with contextlib.suppress(BrokenPipeError):  # it is dead
            if self._process.stdin is not None:
                self._process.stdin.close()

    def bury(self, patience: float = 0) -> None:
        """See it end, by force after ``patience`` seconds, with all that it started."""
        self._reap(patience)
        self.dismiss()
        os.close(self._events)
        self._log.close()

    def _reap(self, patience: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        with contextlib.suppress(ProcessLookupError):  # nothing of the group is left
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _send(self, line: bytes) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(line + b"\n")
                self._process.stdin.flush()
