"""Trials one after the other in this process, sharing the results folder with any other process."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from medbench.errors import MedbenchError, StoreError
from medbench.files import write_bytes_atomically
from medbench.lifecycle import Announcer
from medbench.plan import PlannedTrial
from medbench.protocols import PhaseReporter
from medbench.records import Record
from medbench.registry import Registry
from medbench.runner import Manifests, run_trial
from medbench.settings import Settings
from medbench.store import ResultStore


class RunReporter(PhaseReporter, Protocol):
    """Where an executor tells how the run goes."""

    def trial_started(self, planned: PlannedTrial, number: int, total: int) -> None:
        """A trial begins, the ``number``-th of ``total``."""
        ...

    def trial_ended(self, outcome: Outcome) -> None:
        """A trial ended, well or not."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended. ``elsewhere`` means that another process on the same folder made the record meanwhile."""

    planned: PlannedTrial
    state: Literal["finished", "elsewhere", "failed"]
    record: Record | None = None
    message: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class _Run:
    manifests: Manifests
    reporter: RunReporter
    announcer: Announcer
    total: int

    def tell_end(self, outcome: Outcome, key: str) -> list[str]:
        """Tell the plugins how a trial ended; gives their complaints."""
        if outcome.state == "finished":
            return self.announcer.announce("medbench_trial_finished", record=outcome.record)
        trial, message = outcome.planned.trial, outcome.message
        return self.announcer.announce("medbench_trial_failed", trial=trial, key=key, message=message)


@dataclass(frozen=True, slots=True)
class LocalExecutor:
    """Runs trials here."""

    registry: Registry
    settings: Settings

    def run(self, trials: Sequence[PlannedTrial], reporter: RunReporter) -> list[Outcome]:
        """Run every trial; one that fails does not stop the others. Trials held elsewhere are waited for at the end."""
        run = _Run(
            Manifests(self.registry, self.settings), reporter, Announcer(self.registry, self.settings), len(trials)
        )
        outcomes: list[Outcome] = []
        held: list[PlannedTrial] = []
        for number, planned in enumerate(trials, start=1):
            outcome = self._attempt(planned, run, number, wait=False)
            if outcome is None:
                held.append(planned)
            else:
                outcomes.append(outcome)
        for planned in held:
            outcome = self._attempt(planned, run, len(outcomes) + 1, wait=True)
            if outcome is not None:
                outcomes.append(outcome)
        return outcomes

    def _attempt(self, planned: PlannedTrial, run: _Run, number: int, *, wait: bool) -> Outcome | None:
        store = ResultStore(self.settings.results)
        task, method, key = planned.trial.task.id, planned.trial.choice.id, str(planned.key)
        started = False
        complaints: list[str] = []
        try:
            with store.claim(task, method, key, wait=wait) as ours:
                if not ours:
                    return None
                if store.exists(task, method, key):
                    outcome = Outcome(planned, "elsewhere", store.read(task, method, key))
                else:
                    run.reporter.trial_started(planned, number, run.total)
                    started = True
                    complaints += run.announcer.announce("medbench_trial_started", trial=planned.trial, key=key)
                    record = run_trial(planned, run.manifests, run.reporter)
                    outcome = Outcome(planned, "finished", record)
        except MedbenchError as error:
            outcome = Outcome(planned, "failed", message=str(error), exit_code=error.exit_code)
        except Exception as error:  # a defect in one trial must not cost the others
            outcome = Outcome(planned, "failed", message=self._keep_traceback(error, key), exit_code=1)
        except BaseException:  # Ctrl-C: no tracker may go on showing the trial as running
            if started:
                run.announcer.announce("medbench_trial_failed", trial=planned.trial, key=key, message="interrupted")
            raise
        if started:
            complaints += run.tell_end(outcome, key)
            outcome = replace(outcome, message="; ".join(filter(None, [outcome.message, *complaints])))
        run.reporter.trial_ended(outcome)
        return outcome

    def _keep_traceback(self, error: Exception, key: str) -> str:
        summary = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        path = Path(self.settings.results) / ".failures" / f"{key}.txt"
        try:
            write_bytes_atomically(path, "".join(traceback.format_exception(error)).encode())
        except StoreError:
            return summary
        return f"{summary} - the traceback is in {path}"
