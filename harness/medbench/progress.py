"""How a run is told: a live view on a terminal, plain lines elsewhere, JSON lines for machines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from medbench.executors.base import Outcome
    from medbench.plan import PlannedTrial
    from medbench.protocols import PhaseReporter

Item = TypeVar("Item")

_PLAIN_INTERVAL_S = 15.0


class Phases:
    """Base of where phases are told: of a trial, or of what precedes the trials. Silent itself."""

    def phase(self, name: str, total: int | None = None) -> None:
        """A phase begins."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Steps of the phase are done."""

    def track(self, items: Iterable[Item], name: str, total: int | None = None) -> Iterator[Item]:
        """Iterate as a phase."""
        self.phase(name, total)
        for item in items:
            yield item
            self.advance()


class Reporter(Phases):
    """Base of the three; also a silent one, for callers that want no output.

    As `Phases` it tells of the only trial at work; trials at once are told of by `of_trial`.
    """

    def __enter__(self) -> Reporter:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def trial_started(self, planned: PlannedTrial, number: int, total: int) -> None:
        """A trial begins, again where its worker was lost."""

    def trial_ended(self, outcome: Outcome) -> None:
        """A trial ended."""

    def of_trial(self, planned: PlannedTrial) -> PhaseReporter:
        """Where a trial tells its phases while others run beside it."""
        return self

    def message(self, text: str) -> None:
        """Something worth a line of its own."""


class PlainReporter(Reporter):
    """Lines to a stream: one when a trial or phase begins, one when it ends, and one every 15 seconds between.

    Lines of a trial that runs beside others begin with its name.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self.stream = stream if stream is not None else sys.stderr
        self._only = _PlainPhases(self, "  ")
        self._at_once: dict[str | None, _PlainPhases] = {}

    def trial_started(self, planned: PlannedTrial, number: int, total: int) -> None:
        self.message(f"[{number}/{total}] {planned.trial.label}")

    def trial_ended(self, outcome: Outcome) -> None:
        self._at_once.pop(outcome.planned.key, None)
        self.message(describe_outcome(outcome))

    def of_trial(self, planned: PlannedTrial) -> PhaseReporter:
        return self._at_once.setdefault(planned.key, _PlainPhases(self, f"  {planned.trial.label}: "))

    def phase(self, name: str, total: int | None = None) -> None:
        self._only.phase(name, total)

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._only.advance(steps, note)

    def message(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


class _PlainPhases(Phases):
    def __init__(self, reporter: PlainReporter, prefix: str) -> None:
        self._reporter = reporter
        self._prefix = prefix
        self._begin("", None)

    def _begin(self, name: str, total: int | None) -> None:
        self._name, self._total, self._done, self._note = name, total, 0, ""
        self._began = self._told = time.monotonic()

    def phase(self, name: str, total: int | None = None) -> None:
        self._begin(name, total)
        self._tell()

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._done += steps
        self._note = note or self._note
        if time.monotonic() - self._told >= _PLAIN_INTERVAL_S:
            self._tell()

    def _tell(self) -> None:
        self._told = time.monotonic()
        count = f"{self._done}/{self._total}" if self._total else ""
        left = ""
        if self._total and 0 < self._done < self._total:
            seconds = (time.monotonic() - self._began) / self._done * (self._total - self._done)
            left = f"{duration(seconds)} left"
        text = " ".join(part for part in (self._name, count, self._note, left) if part)
        self._reporter.message(f"{self._prefix}{text}")


class JsonReporter(Reporter):
    """One JSON object a line: ``event`` and its fields, ``key`` where it is of a trial; nothing for single steps."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self.stream = stream if stream is not None else sys.stdout
        self._only: str | None = None

    def trial_started(self, planned: PlannedTrial, number: int, total: int) -> None:
        self._only = planned.key
        self.emit("trial_started", key=planned.key, trial=planned.trial.label, number=number, total=total)

    def trial_ended(self, outcome: Outcome) -> None:
        self._only = None
        metrics = {} if outcome.record is None else {name: one.value for name, one in outcome.record.metrics.items()}
        self.emit(
            "trial_ended",
            key=outcome.planned.key,
            trial=outcome.planned.trial.label,
            state=outcome.state,
            metrics=metrics,
            message=outcome.message,
        )

    def of_trial(self, planned: PlannedTrial) -> PhaseReporter:
        return _JsonPhases(self, planned.key)

    def phase(self, name: str, total: int | None = None) -> None:
        _JsonPhases(self, self._only).phase(name, total)

    def message(self, text: str) -> None:
        self.emit("message", text=text)

    def emit(self, event: str, **fields: Any) -> None:
        """Write an event."""
        print(json.dumps({"event": event, **fields}), file=self.stream, flush=True)


class _JsonPhases(Phases):
    def __init__(self, reporter: JsonReporter, key: str | None) -> None:
        self._reporter = reporter
        self._key = {} if key is None else {"key": key}

    def phase(self, name: str, total: int | None = None) -> None:
        self._reporter.emit("phase", **self._key, name=name, total=total)


def make_reporter(*, as_json: bool) -> Reporter:
    """The reporter that suits where the output goes."""
    if as_json:
        return JsonReporter()
    if not sys.stderr.isatty():
        return PlainReporter()
    from medbench.progress_live import RichReporter

    return RichReporter()


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
