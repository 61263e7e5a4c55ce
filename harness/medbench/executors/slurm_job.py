"""What a job of the cluster does: its trials one after the other, told to the driver through a file of the results folder.

submitit pickles a `TrialJob` by its name alone, and its two texts as they are: nothing of a plugin is in the pickle.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from medbench.errors import MedbenchError
from medbench.executors.events import Ended, Event, Started, Steps, Teller, to_bytes
from medbench.executors.orders import Answer, Order, answer_of, planned_of, settings_from_text
from medbench.registry import Registry

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

    from medbench.executors.worker import Worker

_STEPS_EVERY_S = 5.0
"""The file lies on a network file system; steps are gathered meanwhile."""


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a job is to do: its trials, and the file that it tells its events to."""

    events: str
    orders: tuple[Order, ...]


@dataclass(slots=True)
class EventFile:
    """Appends events to a file, a line each; opened for each, so that other machines see it at once.

    A phase or step that cannot be written is left out: it costs a line of progress. How a trial ended is not.
    """

    path: Path
    _steps: Steps | None = None
    _written: float = field(default_factory=time.monotonic)

    def send(self, event: Event) -> None:
        """Append an event; steps of a trial are summed for five seconds. Raises `OSError` for an `Ended` alone."""
        if isinstance(event, Steps):
            before = self._steps.steps if self._steps is not None else 0
            self._steps = Steps(event.key, before + event.steps, event.note)
            if time.monotonic() - self._written < _STEPS_EVERY_S:
                return
            events: list[Event] = [self._steps]
        else:
            events = [event] if self._steps is None else [self._steps, event]
        self._steps, self._written = None, time.monotonic()
        try:
            with self.path.open("ab") as file:
                file.write(b"".join(to_bytes(one) + b"\n" for one in events))
        except OSError:
            if isinstance(event, Ended):
                raise


@dataclass(slots=True)
class TrialJob:
    """The callable of a job. At its time limit, or when preempted, submitit has Slurm queue it again as it is."""

    _process: int = 0
    _signalled: bool = False

    def __call__(self, settings_text: str, work_text: str) -> None:
        """Carry out a `Work` given as JSON."""
        self._process = os.getpid()
        processes = settings_from_text(settings_text).nproc_per_node  # they share the job's cores
        if cpus := os.environ.get("SLURM_CPUS_PER_TASK"):
            os.environ.setdefault("OMP_NUM_THREADS", str(max(1, int(cpus) // processes)))
        work = msgspec.json.decode(work_text, type=Work)
        carry_out(work, Registry.load(), settings_text, leaving=lambda error: self._signalled)

    def checkpoint(self, settings_text: str, work_text: str) -> DelayedSubmission | None:
        """The same again: the training state is in the results folder. None in a child that got the job's signal too.

        submitit ends the process after it, by a `SystemExit` in the middle of the trial.
        """
        from submitit.helpers import DelayedSubmission

        self._signalled = True
        return DelayedSubmission(TrialJob(), settings_text, work_text) if os.getpid() == self._process else None


def carry_out(
    work: Work, registry: Registry, settings_text: str, *, leaving: Callable[[SystemExit], bool] = lambda error: False
) -> None:
    """Run the trials of a job; those that another process holds come last and are waited for.

    ``leaving`` is as in `medbench.executors.worker.Worker`.
    """
    from medbench.executors.worker import Worker

    worker = Worker(registry, settings_from_text(settings_text), leaving)
    file = EventFile(Path(work.events))
    held = [order for order in work.orders if not _attempt(worker, order, file, wait=False)]
    for order in held:
        _attempt(worker, order, file, wait=True)


def _attempt(worker: Worker, order: Order, file: EventFile, *, wait: bool) -> bool:
    """Run one trial and tell how it ended; False where another process holds it."""
    try:
        planned = planned_of(order, worker.registry, worker.settings)
    except MedbenchError as error:
        message = f"in the job: {error}"
        file.send(Ended(Answer(key=order.key, state="failed", message=message, exit_code=error.exit_code)))
        return True
    teller = Teller(order.key, file.send)
    outcome = worker.attempt(planned, teller, started=lambda: file.send(Started(order.key)), wait=wait)
    if outcome is not None:
        file.send(Ended(answer_of(outcome)))
    return outcome is not None
