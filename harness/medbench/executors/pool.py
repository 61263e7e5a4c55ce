"""Trials at once in several worker processes on this machine, one in each seat."""

from __future__ import annotations

import dataclasses
import selectors
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medbench.errors import StoreError
from medbench.executors.base import Outcome, RunReporter, record_of
from medbench.executors.events import Ended, Event, Held, Job, Started, retell
from medbench.executors.ledger import TRIES, Ledger
from medbench.executors.member import Member
from medbench.executors.orders import order_of, outcome_of, settings_to_text
from medbench.executors.seats import Seat
from medbench.files import write_bytes_atomically
from medbench.lifecycle import Announcer
from medbench.plan import PlannedTrial
from medbench.protocols import PhaseReporter
from medbench.registry import Registry
from medbench.settings import Settings

_TICK_S = 0.5
"""How often workers are looked after that say nothing."""
_PATIENCE_S = 12.0
"""For workers to end; somewhat more than they give themselves (`medbench.executors.serve.GRACE_S`)."""
_SHOWN_LINES = 8


@dataclass(slots=True)
class Pool:
    """Runs trials in worker processes. A worker that is lost is replaced, and its trial tried again."""

    registry: Registry
    settings: Settings
    seats: Sequence[Seat]

    def run(self, trials: Sequence[PlannedTrial], reporter: RunReporter) -> list[Outcome]:
        """As `medbench.executors.base.Executor.run`. No worker is left behind, however this ends."""
        shift = _Shift(self, Ledger(trials), reporter)
        reporter.message(f"up to {len(self.seats)} trials at once, each in a process of its own")
        try:
            while not shift.ledger.over:
                shift.hand_out()
                shift.listen()
                shift.look_after()
        finally:
            shift.close()
        return shift.ledger.outcomes


@dataclass(slots=True)
class _Shift:
    """One run of a pool: who sits where, and what they have told."""

    pool: Pool
    ledger: Ledger
    reporter: RunReporter
    _crew: dict[str, Member] = field(default_factory=dict)
    _phases: dict[str, PhaseReporter] = field(default_factory=dict)
    """Where the trials tell that have begun and not ended, by key."""
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _announcer: Announcer = field(init=False)
    _settings_text: str = field(init=False)

    def __post_init__(self) -> None:
        settings = dataclasses.replace(self.pool.settings, jobs=1)
        self._announcer = Announcer(self.pool.registry, settings)
        self._settings_text = settings_to_text(settings)

    def hand_out(self) -> None:
        """Give each free seat a trial, with a worker to carry it out."""
        busy = set(self.ledger.with_workers().values())
        for seat in self.pool.seats:
            if seat.name in busy:
                continue
            planned = self.ledger.next(seat.name)
            if planned is None:
                return
            if seat.name not in self._crew:
                self._crew[seat.name] = Member.start(seat, self._settings_text)
                self._selector.register(self._crew[seat.name], selectors.EVENT_READ)
            self._crew[seat.name].give(Job(order_of(planned), self.ledger.waits(str(planned.key))))

    def listen(self) -> None:
        """Tell on what the workers tell; waits a little where they tell nothing."""
        for ready, _ in self._selector.select(_TICK_S):
            member = ready.fileobj
            if isinstance(member, Member):
                for event in member.hear():
                    self._take(event)

    def look_after(self) -> None:
        """Find the workers that died."""
        for name, member in list(self._crew.items()):
            how = member.death()
            if how is None:
                continue
            for event in member.hear():  # what it said before
                self._take(event)
            if self._crew.get(name) is not member:  # that was its farewell
                continue
            self._part_with(name)
            keys = [key for key, worker in self.ledger.with_workers().items() if worker == name]
            for key in keys:
                self._lose(key, name, how, member.last_words())
            member.bury()

    def close(self) -> None:
        """End every worker: those in a trial are interrupted, and its claim is free."""
        for member in self._crew.values():
            member.dismiss()
        for member in self._crew.values():
            member.bury(_PATIENCE_S)
        self._selector.close()

    def _take(self, event: Event) -> None:
        if isinstance(event, Ended):
            key = event.answer.key
            outcome = outcome_of(event.answer, self.ledger.trials[key])
            self._phases.pop(key, None)
            if event.last:
                self._part_with(self.ledger.with_workers()[key]).bury(_PATIENCE_S)
            if self.ledger.ended(outcome):
                self.reporter.trial_ended(outcome)
        elif isinstance(event, Held):
            self.ledger.held(event.key)
        elif isinstance(event, Started):
            planned = self.ledger.trials[event.key]
            self.reporter.trial_started(planned, self.ledger.started(event.key), len(self.ledger.trials))
            self._phases[event.key] = self.reporter.of_trial(planned)
        elif (phases := self._phases.get(event.key)) is not None:  # a thread of the trial may outlive it
            retell(event, phases)

    def _part_with(self, name: str) -> Member:
        """Take a worker out of the crew."""
        member = self._crew.pop(name)
        self._selector.unregister(member)
        return member

    def _lose(self, key: str, worker: str, how: str, words: str) -> None:
        planned = self.ledger.trials[key]
        if (record := record_of(planned, self.pool.settings)) is not None:  # it died between its record and its word
            begun = self._phases.pop(key, None) is not None
            made = Outcome(planned, "finished" if begun else "elsewhere", record)
            if self.ledger.ended(made):
                self.reporter.trial_ended(made)
            return
        kept = _keep(words, Path(self.pool.settings.results) / ".failures" / f"{key}.txt")
        outcome = self.ledger.lost(key, how + kept)
        what_next = "" if outcome is not None else f"; try {self.ledger.losses(key) + 1} of {TRIES} follows"
        self.reporter.message(f"worker {worker} was lost in {planned.trial.label}: {how}{what_next}")
        for line in [line for line in words.splitlines() if line.strip()][-_SHOWN_LINES:]:
            self.reporter.message(f"  worker {worker}: {line}")
        if (phases := self._phases.pop(key, None)) is not None:  # it had begun: nothing may go on showing it as running
            phases.phase("lost")
            arguments = {"trial": planned.trial, "key": key, "message": f"its worker was lost: {how}"}
            for complaint in self._announcer.announce("medbench_trial_failed", **arguments):
                self.reporter.message(f"warning: {complaint}")
        if outcome is not None:
            self.reporter.trial_ended(outcome)


def _keep(words: str, path: Path) -> str:
    """Keep what a dead worker said; gives where, as the end of a line."""
    if not words.strip():
        return ""
    try:
        write_bytes_atomically(path, words.encode())
    except StoreError:
        return ""
    return f" - what it last said is in {path}"
