"""What runs in the processes of a Ray cluster: a trial, the letter box for what it tells, and a look at shared folders.

Everything that comes in and goes out is text: what is pickled would tie the versions of both sides together.
"""

from __future__ import annotations

import functools
import os
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from medbench.errors import MedbenchError
from medbench.executors.events import Event, Started, Teller, to_bytes
from medbench.executors.orders import Answer, Order, answer_of, planned_of, settings_from_text
from medbench.executors.worker import Worker
from medbench.registry import Registry

_KEPT = 100_000
_PATIENCE_S = 10.0
"""For the letter box; and for a file written on another machine to be seen here, as NFS keeps what it knows for seconds."""


class Post:
    """What the workers tell, until the driver takes it; the oldest is dropped where nobody does."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque(maxlen=_KEPT)

    def tell(self, event: bytes) -> None:
        """Take an event in."""
        self._waiting.append(event)

    def take(self) -> list[bytes]:
        """Every event since the last call."""
        taken = list(self._waiting)
        self._waiting.clear()
        return taken


def attempt(order: bytes, settings: str, post: Any, wait: bool) -> bytes | None:
    """Run the trial of an `Order`: its `Answer`, both as JSON; None where another process holds it and it is not waited for.

    ``settings`` is `medbench.executors.orders.settings_to_text`, ``post`` the handle of a `Post`.
    """
    asked = msgspec.json.decode(order, type=Order)
    try:
        worker = worker_of(settings)
        planned = planned_of(asked, worker.registry, worker.settings)
    except MedbenchError as error:  # said as text: not every error of ours survives being pickled
        return msgspec.json.encode(Answer(key=asked.key, state="failed", message=str(error), exit_code=error.exit_code))

    def send(event: Event) -> None:
        post.tell.remote(to_bytes(event))  # nobody waits for it, and nothing is lost with it

    def started() -> None:
        _tell_surely(post, Started(asked.key))

    if planned.trial.task.distributed:
        _share_threads(worker.settings.nproc_per_node)
    outcome = worker.attempt(planned, Teller(asked.key, send), started=started, wait=wait)
    return None if outcome is None else msgspec.json.encode(answer_of(outcome))


def _share_threads(processes: int) -> None:
    """Ray gives a task as many threads as CPUs, and takes that back after it: here for each process of a group.

    A number that the user has set stands.
    """
    import ray

    cpus = int(ray.get_runtime_context().get_assigned_resources().get("CPU", 0))
    if os.environ.get("OMP_NUM_THREADS") == str(cpus):
        os.environ["OMP_NUM_THREADS"] = str(max(1, cpus // processes))


def _tell_surely(post: Any, event: Event) -> None:
    """The driver must know of a trial that has begun, should this process die of it: an event under way would die too."""
    import ray

    with suppress(ray.exceptions.RayError):  # the letter box was lost: the trial is worth more than the news of it
        ray.get(post.tell.remote(to_bytes(event)), timeout=_PATIENCE_S)


@functools.lru_cache(maxsize=1)
def worker_of(settings: str) -> Worker:
    """The worker of this process. Ray gives a process many trials: plugins and manifests are read for the first alone."""
    # Ray ends a process by an exit that bears this; any other is a library's
    return Worker(Registry.load(), settings_from_text(settings), lambda error: hasattr(error, "ray_terminate_msg"))


def unseen(places: Sequence[str], patience_s: float = _PATIENCE_S) -> list[str]:
    """Those of the files that do not appear in this process's file system, or whose folder it may not write in."""
    end = time.monotonic() + patience_s
    while missing := [place for place in places if not _shared(Path(place))]:
        if time.monotonic() >= end:
            break
        time.sleep(0.2)
    return missing


def _shared(place: Path) -> bool:
    return place.is_file() and os.access(place.parent, os.W_OK)
