"""A worker process of the local executor: ``python -m medbench.executors.serve <descriptor of the pipe for events>``.

On stdin it is given the settings on a line, then a `Job` a line; it ends with its stdin. Where stdin ends in the middle of a
trial, the driver is gone or was interrupted: the trial is interrupted as by Ctrl-C, and the process does not outlive that by
long. What libraries print goes to stderr, which is the driver's to keep.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import signal
import sys
import threading
import time
from functools import partial
from typing import IO

import msgspec

from medbench.errors import MedbenchError
from medbench.executors.events import Ended, Event, Held, Job, Started, Teller, to_bytes
from medbench.executors.orders import Answer, answer_of, planned_of, settings_from_text
from medbench.executors.worker import Worker
from medbench.registry import Registry

GRACE_S = 10.0
"""How long a process whose stdin has ended may take to tidy up."""


def main() -> None:
    """Serve until stdin ends."""
    faulthandler.enable()  # a crash in a library's C code says where
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
    events = int(sys.argv[1])
    os.set_inheritable(events, False)
    stdin = _take_stdin()
    settings = settings_from_text(stdin.readline().decode())
    inbox, outbox = _Inbox(stdin), _Outbox(os.fdopen(events, "wb"))
    try:
        worker = Worker(Registry.load(), settings)
        while (job := inbox.take()) is not None:
            event = _carry_out(job, worker, outbox)
            inbox.done()
            outbox.tell(event)
            if isinstance(event, Ended) and event.last:
                return
    except KeyboardInterrupt:
        sys.exit(130)


def gpu_is_spoilt() -> bool:
    """Whether every later trial of this process would fail on the GPU, as after an assertion in one of its kernels."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


def _carry_out(job: Job, worker: Worker, outbox: _Outbox) -> Event:
    key = job.order.key
    try:
        planned = planned_of(job.order, worker.registry, worker.settings)
    except MedbenchError as error:
        return Ended(Answer(key=key, state="failed", message=str(error), exit_code=error.exit_code))
    started = partial(outbox.tell, Started(key))
    outcome = worker.attempt(planned, Teller(key, outbox.tell), started=started, wait=job.wait)
    if outcome is None:
        return Held(key)
    return Ended(answer_of(outcome), last=outcome.state == "failed" and gpu_is_spoilt())


def _take_stdin() -> IO[bytes]:
    """The stream of jobs, out of the reach of libraries and of the processes that they start."""
    stream = os.fdopen(os.dup(0), "rb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return stream


class _Inbox:
    """Jobs as they come in, read by a thread, which so notices the end of stdin in the middle of a trial."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._busy = False
        self._ended = False
        self._lock = threading.Lock()
        threading.Thread(target=self._read, daemon=True, name="jobs").start()

    def take(self) -> Job | None:
        """The next job, waited for; None once stdin has ended, whatever was asked before."""
        job = self._jobs.get()
        with self._lock:
            self._busy = job is not None and not self._ended
        return job if self._busy else None

    def done(self) -> None:
        """The job that was taken is answered."""
        with self._lock:
            self._busy = False

    def _read(self) -> None:
        for line in self._stream:
            self._jobs.put(msgspec.json.decode(line, type=Job))
        with self._lock:
            self._ended = True
            if self._busy:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        self._jobs.put(None)
        time.sleep(GRACE_S)
        os.killpg(os.getpid(), signal.SIGKILL)  # a group of its own: what the trial started ends too


class _Outbox:
    """Sends events to the driver, one a line; from any thread."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def tell(self, event: Event) -> None:
        """Send an event. Where nobody is left to hear it, the trial is interrupted."""
        try:
            with self._lock:
                self._stream.write(to_bytes(event) + b"\n")
                self._stream.flush()
        except BrokenPipeError:
            raise KeyboardInterrupt from None


if __name__ == "__main__":
    main()
