"""Trials on this machine: one after the other in this process, or at once in processes of their own, one a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medbench.executors.base import Outcome, RunReporter
from medbench.executors.ledger import Ledger
from medbench.executors.pool import Pool
from medbench.executors.seats import find_seats
from medbench.plan import PlannedTrial
from medbench.registry import Registry
from medbench.settings import Settings


@dataclass(frozen=True, slots=True)
class LocalExecutor:
    """Runs trials here, sharing the results folder with any other process."""

    registry: Registry
    settings: Settings

    def run(self, trials: Sequence[PlannedTrial], reporter: RunReporter) -> list[Outcome]:
        """As `medbench.executors.base.Executor.run`. Trials held elsewhere are waited for at the end."""
        seats = find_seats(self.settings, len(trials))
        if seats:
            return Pool(self.registry, self.settings, seats).run(trials, reporter)
        return self._run_here(trials, reporter)

    def _run_here(self, trials: Sequence[PlannedTrial], reporter: RunReporter) -> list[Outcome]:
        from medbench.executors.worker import Worker

        worker = Worker(self.registry, self.settings)
        ledger = Ledger(trials)
        while (planned := ledger.next("here")) is not None:
            key = str(planned.key)

            def started(planned: PlannedTrial = planned, key: str = key) -> None:
                reporter.trial_started(planned, ledger.started(key), len(trials))

            outcome = worker.attempt(planned, reporter, started=started, wait=ledger.waits(key))
            if outcome is None:
                ledger.held(key)
            else:
                reporter.trial_ended(outcome)
                ledger.ended(outcome)
        return ledger.outcomes
