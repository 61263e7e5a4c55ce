"""How a run is told on a terminal: a bar for the run, and below it one for each trial at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from medbench.progress import Phases, Reporter, describe_outcome

if TYPE_CHECKING:
    from medbench.executors.base import Outcome
    from medbench.plan import PlannedTrial
    from medbench.protocols import PhaseReporter

_MEMORY_S = 86_400.0
"""Time left is reckoned from what was done within this time: trials may be hours apart."""


class RichReporter(Reporter):
    """A bar for the trials and one for the present phase of each that is at work, with the time left of all."""

    def __init__(self, console: Console | None = None) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console or Console(stderr=True),
            speed_estimate_period=_MEMORY_S,
        )
        self._trials: TaskID | None = None
        self._ended = 0
        self._only = _Bar(self._progress, "")
        self._bars: dict[str | None, _Bar] = {}
        self._running: dict[str | None, str] = {}

    def __enter__(self) -> RichReporter:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def trial_started(self, planned: PlannedTrial, number: int, total: int) -> None:
        self._running[planned.key] = planned.trial.label
        self._show_trials(total)

    def trial_ended(self, outcome: Outcome) -> None:
        key = outcome.planned.key
        self._running.pop(key, None)
        self._bars.pop(key, self._only).remove()
        self._ended += 1
        self._show_trials(None)
        self.message(describe_outcome(outcome))

    def of_trial(self, planned: PlannedTrial) -> PhaseReporter:
        return self._bars.setdefault(planned.key, _Bar(self._progress, f"{planned.trial.label}: "))

    def phase(self, name: str, total: int | None = None) -> None:
        self._only.phase(name, total)

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._only.advance(steps, note)

    def message(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)

    def _show_trials(self, total: int | None) -> None:
        """``total`` None: as before. Trials that another process made end without having begun here: they count too."""
        if self._trials is None:
            if total is None:
                return
            self._trials = self._progress.add_task("", total=total, note="")
        several = f"{len(self._running)} trials at once" if len(self._running) > 1 else "trials"
        label = next(iter(self._running.values())) if len(self._running) == 1 else several
        self._progress.update(self._trials, description=label, completed=self._ended, total=total)


class _Bar(Phases):
    """The bar of one phase after the other."""

    def __init__(self, progress: Progress, prefix: str) -> None:
        self._progress = progress
        self._prefix = prefix
        self._task: TaskID | None = None

    def phase(self, name: str, total: int | None = None) -> None:
        self.remove()
        self._task = self._progress.add_task(f"  {self._prefix}{name}", total=total, note="")

    def advance(self, steps: int = 1, note: str = "") -> None:
        if self._task is not None:
            self._progress.advance(self._task, steps)
            if note:
                self._progress.update(self._task, note=note)

    def remove(self) -> None:
        """Take it off the screen; the next phase puts it back."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
