"""What a pool makes of what workers tell, with workers that are no processes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from medbench.executors import pool
from medbench.executors.events import Ended, Event, Held, Job, Phase, Started
from medbench.executors.orders import Answer
from medbench.executors.pool import Pool
from medbench.executors.seats import Seat
from medbench.progress import Reporter
from medbench.registry import Registry
from medbench.settings import Settings
from tests.core.test_ledger import planned_trial


class Scripted:
    """A worker that answers each job at once, with the events of its script."""

    made: list[Scripted]
    script: list[list[Event]]
    dies: bool
    log: list[str]

    def __init__(self, seat: Seat, settings: str) -> None:
        self.seat = seat
        self.read_end, self.write_end = os.pipe()
        self.name = str(len(self.made))
        self.made.append(self)
        self.told: list[Event] = []

    @classmethod
    def start(cls, seat: Seat, settings: str) -> Scripted:
        return cls(seat, settings)

    def fileno(self) -> int:
        return self.read_end

    def give(self, job: Job) -> None:
        self.log.append(f"{self.name} gets {job.order.key}{' to wait for' if job.wait else ''}")
        self.told += self.script.pop(0)
        os.write(self.write_end, b".")

    def hear(self) -> list[Event]:
        told, self.told = self.told, []
        if told:
            os.read(self.read_end, 1)
        return told

    def death(self) -> str | None:
        return "killed" if self.dies else None

    def last_words(self) -> str:
        return ""

    def dismiss(self) -> None:
        self.log.append(f"{self.name} is dismissed")

    def bury(self, patience: float = 0) -> None:
        self.log.append(f"{self.name} ends")
        os.close(self.read_end)
        os.close(self.write_end)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scripted]]:
    Scripted.made, Scripted.script, Scripted.log, Scripted.dies = [], [], [], False
    monkeypatch.setattr(pool, "Member", Scripted)
    yield Scripted


def ended(key: str, state: str = "finished", *, last: bool = False) -> Ended:
    return Ended(Answer(key=key, state=state), last=last)


def run(settings: Settings) -> list[tuple[str | None, str]]:
    trials = [planned_trial("a", "x", "1"), planned_trial("b", "x", "2")]
    outcomes = Pool(Registry([]), settings, [Seat("1", {})]).run(trials, Reporter())
    return [(outcome.planned.key, outcome.state) for outcome in outcomes]


def test_a_worker_that_says_farewell_is_replaced_and_costs_no_try(scripted: type[Scripted], settings: Settings) -> None:
    scripted.script = [[Started("1"), ended("1", "failed", last=True)], [Started("2"), ended("2")]]
    assert run(settings) == [("1", "failed"), ("2", "finished")]
    assert scripted.log == ["0 gets 1", "0 ends", "1 gets 2", "1 is dismissed", "1 ends"]


def test_a_trial_held_by_another_process_is_waited_for_at_the_end(scripted: type[Scripted], settings: Settings) -> None:
    scripted.script = [[Held("1")], [Started("2"), ended("2")], [ended("1", "elsewhere")]]
    assert run(settings) == [("2", "finished"), ("1", "elsewhere")]
    assert scripted.log[:3] == ["0 gets 1", "0 gets 2", "0 gets 1 to wait for"]


def test_what_a_thread_tells_of_a_trial_that_has_ended_is_passed_over(
    scripted: type[Scripted], settings: Settings
) -> None:
    scripted.script = [[Started("1"), ended("1"), Phase("1", "late", None)], [Phase("1", "later", None), ended("2")]]
    assert run(settings) == [("1", "finished"), ("2", "finished")]


def test_a_trial_whose_worker_dies_after_its_record_has_finished(
    scripted: type[Scripted], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(
        "medbench.lifecycle.Announcer.announce", lambda self, hook, **arguments: told.append(hook) or []
    )
    monkeypatch.setattr(pool, "record_of", lambda planned, settings: "the record")
    scripted.script, scripted.dies = [[Started("1")], []], True
    assert run(settings) == [("1", "finished"), ("2", "elsewhere")]
    assert told == []
