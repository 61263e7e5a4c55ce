"""Trials one after the other in this process, sharing the results folder with any other process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from medbench.executors.base import Outcome, RunReporter
from medbench.executors.worker import Worker
from medbench.plan import PlannedTrial
from medbench.registry import Registry
from medbench.settings import Settings


@dataclass(frozen=True, slots=True)
class LocalExecutor:
    """Runs trials here."""

    registry: Registry
    settings: Settings

    def run(self, trials: Sequence[PlannedTrial], reporter: RunReporter) -> list[Outcome]:
        """As `medbench.executors.base.Executor.run`. Trials held elsewhere are waited for at the end."""
        worker = Worker(self.registry, self.settings)
        outcomes: list[Outcome] = []
        held: list[PlannedTrial] = []

        def attempt(planned: PlannedTrial, number: int, *, wait: bool) -> None:
            started = partial(reporter.trial_started, planned, number, len(trials))
            outcome = worker.attempt(planned, reporter, started=started, wait=wait)
            if outcome is None:
                held.append(planned)
            else:
                reporter.trial_ended(outcome)
                outcomes.append(outcome)

        for number, planned in enumerate(trials, start=1):
            attempt(planned, number, wait=False)
        for planned in tuple(held):
            attempt(planned, len(outcomes) + 1, wait=True)
        return outcomes
