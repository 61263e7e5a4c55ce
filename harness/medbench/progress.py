"""How a run is told: a live view on a terminal, plain lines elsewhere, JSON lines for machines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

    from medbench.executors.base import Outcome
    from medbench.plan import PlannedTrial
    from medbench.protocols import PhaseReporter

Item = TypeVar("Item")

_PLAIN_INTERVAL_S = 15.0


class Reporter:
    """Base of the three; also a silent one, for callers that want no output."""

    def __enter__(self) -> Reporter:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def trial_started(self, planned: PlannedTrial, number: int, total: int) -> None:
        """A trial begins."""

    def trial_ended(self, outcome: Outcome) -> None:
        """A trial ended."""

    def of_trial(self, planned: PlannedTrial) -> PhaseReporter:
        """Where a trial tells its phases while others run beside it."""
        return self

    def phase(self, name: str, total: int | None = None) -> None:
        """A phase of a trial begins."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Steps of the phase are done."""

    def message(self, text: str) -> None:
        """Something worth a line of its own."""

    def track(self, items: Iterable[Item], name: str, total: int | None = None) -> Iterator[Item]:
        """Iterate as a phase."""
        self.phase(name, total)
        for item in items:
            yield item
            self.advance()


@dataclass(slots=True)
class _Phase:
    name: str = ""
    total: int | None = None
    done: int = 0
    note: str = ""
    started: float = field(default_factory=time.monotonic)

    @property
    def text(self) -> str:
        count = f"{self.done}/{self.total}" if self.total else ""
        eta = ""
        if self.total and 0 < self.done < self.total:
            left = (time.monotonic() - self.started) / self.done * (self.total - self.done)
            eta = f"{duration(left)} left"
        return " ".join(part for part in (self.name, count, self.note, eta) if part)


class PlainReporter(Reporter):
    """Lines to a stream: one when a trial or phase begins, one when it ends, and one every 15 seconds between."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self.stream = stream if stream is not None else sys.stderr
        self._phase = _Phase()
        self._last = 0.0

    def trial_started(self, planned: PlannedTrial, number: int, total: int) -> None:
        self.message(f"[{number}/{total}] {planned.trial.label}")

    def trial_ended(self, outcome: Outcome) -> None:
        self._phase = _Phase()
        self.message(describe_outcome(outcome))

    def phase(self, name: str, total: int | None = None) -> None:
        self._phase = _Phase(name, total)
        self._last = time.monotonic()
        self.message(f"  {self._phase.text}")

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._phase.done += steps
        self._phase.note = note or self._phase.note
        if time.monotonic() - self._last >= _PLAIN_INTERVAL_S:
            self._last = time.monotonic()
            self.message(f"  {self._phase.text}")

    def message(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


class JsonReporter(Reporter):
    """One JSON object a line: ``event`` and its fields; nothing for single steps."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self.stream = stream if stream is not None else sys.stdout

    def trial_started(self, planned: PlannedTrial, number: int, total: int) -> None:
        self._emit("trial_started", key=planned.key, trial=planned.trial.label, number=number, total=total)

    def trial_ended(self, outcome: Outcome) -> None:
        metrics = {} if outcome.record is None else {name: one.value for name, one in outcome.record.metrics.items()}
        trial = outcome.planned.trial.label
        self._emit(
            "trial_ended",
            key=outcome.planned.key,
            trial=trial,
            state=outcome.state,
            metrics=metrics,
            message=outcome.message,
        )

    def phase(self, name: str, total: int | None = None) -> None:
        self._emit("phase", name=name, total=total)

    def message(self, text: str) -> None:
        self._emit("message", text=text)

    def _emit(self, event: str, **fields: Any) -> None:
        print(json.dumps({"event": event, **fields}), file=self.stream, flush=True)


class RichReporter(Reporter):
    """A bar for the trials and one for the phase inside the present trial, with the time left of both."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._progress: Progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
        )
        self._trials: Any = None
        self._steps: Any = None

    def __enter__(self) -> RichReporter:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def trial_started(self, planned: PlannedTrial, number: int, total: int) -> None:
        if self._trials is None:
            self._trials = self._progress.add_task("trials", total=total, note="")
        self._progress.update(self._trials, description=planned.trial.label, completed=number - 1)

    def trial_ended(self, outcome: Outcome) -> None:
        if self._trials is not None:
            self._progress.advance(self._trials)
        if self._steps is not None:
            self._progress.remove_task(self._steps)
            self._steps = None
        self.message(describe_outcome(outcome))

    def phase(self, name: str, total: int | None = None) -> None:
        if self._steps is not None:
            self._progress.remove_task(self._steps)
        self._steps = self._progress.add_task(f"  {name}", total=total, note="")

    def advance(self, steps: int = 1, note: str = "") -> None:
        if self._steps is not None:
            self._progress.advance(self._steps, steps)
            if note:
                self._progress.update(self._steps, note=note)

    def message(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)


def make_reporter(*, as_json: bool) -> Reporter:
    """The reporter that suits where the output goes."""
    if as_json:
        return JsonReporter()
    return RichReporter() if sys.stderr.isatty() else PlainReporter()


def describe_outcome(outcome: Outcome) -> str:
    """One line: what came out of a trial."""
    label = outcome.planned.trial.label
    if outcome.state == "failed" or outcome.record is None:
        return f"FAILED {label}: {outcome.message}"
    metric = outcome.planned.trial.task.ranking_metric
    value = outcome.record.metrics[metric.name].value
    figure = "undefined" if value is None else f"{value * 100:.1f} %"
    note = (
        " (made by another process)"
        if outcome.state == "elsewhere"
        else f" in {duration(outcome.record.provenance.duration_s)}"
    )
    warning = f" - {outcome.message}" if outcome.message else ""
    return f"done   {label}: {metric.title} {figure}{note}{warning}"


def duration(seconds: float) -> str:
    """``42 s``, ``3 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
