"""Who has which trial: the bookkeeping that executors with several workers share. Pure: no process, no clock, no file."""

from __future__ import annotations

from collections.abc import Iterable

from medbench.executors.base import Outcome
from medbench.plan import PlannedTrial

TRIES = 3
"""A trial whose worker is lost is tried that often in all."""

Group = tuple[object, ...]


class Ledger:
    """Gives trials to workers so that each ends exactly once, whatever happens to the workers.

    A worker is any name; it has one trial at a time. A trial is waiting, with a worker, or ended. Its key, which no two of
    them share, is what it is called by.
    """

    def __init__(self, trials: Iterable[PlannedTrial], *, tries: int = TRIES) -> None:
        self.trials = {str(planned.key): planned for planned in trials}
        self.outcomes: list[Outcome] = []
        """In the order in which the trials ended."""
        self._tries = tries
        self._waiting = dict.fromkeys(self.trials)  # in order
        self._held: dict[str, None] = {}
        self._workers: dict[str, str] = {}
        self._ended: set[str] = set()
        self._numbers: dict[str, int] = {}
        self._losses: dict[str, int] = {}
        self._warm: set[Group] = set()

    @property
    def over(self) -> bool:
        """Whether every trial has ended."""
        return len(self._ended) == len(self.trials)

    def waiting(self) -> int:
        """How many trials are with no worker and have not ended, those that other processes hold among them."""
        return len(self._waiting) + sum(key not in self._workers for key in self._held)

    def with_workers(self) -> dict[str, str]:
        """The worker of each trial that has one, by the trial's key."""
        return dict(self._workers)

    def next(self, worker: str) -> PlannedTrial | None:
        """A trial for a free worker; None where there is none to give just now.

        The first as planned, but one that would wait for features which another worker is computing comes after those that
        would not, and those that other processes hold come last.
        """
        queue = list(self._waiting) or [key for key in self._held if key not in self._workers]
        if not queue:
            return None
        cold = {group_of(self.trials[key]) for key in self._workers} - self._warm
        key = next((one for one in queue if group_of(self.trials[one]) not in cold), queue[0])
        self._waiting.pop(key, None)
        self._workers[key] = worker
        return self.trials[key]

    def take_all(self, worker: str) -> list[PlannedTrial]:
        """Every trial that `next` could give, in order: for a scheduler that has a queue of its own."""
        keys = [*self._waiting, *(key for key in self._held if key not in self._workers)]
        self._waiting.clear()
        self._workers.update(dict.fromkeys(keys, worker))
        return [self.trials[key] for key in keys]

    def waits(self, key: str) -> bool:
        """Whether the trial is given to be waited for, as `Worker.attempt` can: another process was found to hold it."""
        return key in self._held

    def started(self, key: str) -> int:
        """The trial has begun; gives its number among those of the run, which it keeps in a later try."""
        return self._numbers.setdefault(key, len(self._numbers) + 1)

    def held(self, key: str) -> None:
        """Another process holds the trial: its worker is free, and the trial is given again when no other is left."""
        if self._workers.pop(key, None) is not None:
            self._held[key] = None

    def ended(self, outcome: Outcome) -> bool:
        """The trial ended; False where it had ended before, and then nothing changes."""
        key = str(outcome.planned.key)
        if key in self._ended:
            return False
        for place in (self._waiting, self._held, self._workers):
            place.pop(key, None)
        self._ended.add(key)
        self._numbers.setdefault(key, len(self._numbers) + 1)  # one that never began here counts too
        self.outcomes.append(outcome)
        if outcome.state != "failed":
            self._warm.add(group_of(outcome.planned))
        return True

    def lost(self, key: str, how: str) -> Outcome | None:
        """The trial's worker is gone, ``how`` says in which way; gives the trial's outcome where it is not tried again.

        A trial that is tried again waits behind all others: what was too much memory beside them may be enough alone.
        Nothing happens where the trial is with no worker.
        """
        if self._workers.pop(key, None) is None:
            return None
        self._losses[key] = self._losses.get(key, 0) + 1
        if self._losses[key] < self._tries:
            if key not in self._held:
                self._waiting[key] = None
            return None
        message = f"its worker was lost {self._losses[key]} times, the last time {how}"
        outcome = Outcome(self.trials[key], "failed", message=message, exit_code=1)
        self.ended(outcome)
        return outcome

    def losses(self, key: str) -> int:
        """How often the trial's worker was lost."""
        return self._losses.get(key, 0)


def group_of(planned: PlannedTrial) -> Group:
    """What trials share whose frozen features are the same: the weights and the dataset. Random weights differ by seed."""
    trial = planned.trial
    weights = (planned.checkpoint, None if planned.checkpoint is not None else trial.seed)
    return (trial.choice.id, *weights, trial.task.dataset)
