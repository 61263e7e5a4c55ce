"""How several trials at once are told: lines that name the trial, JSON with its key, a bar each."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from medbench.executors.base import Outcome
from medbench.progress import JsonReporter, PlainReporter, Reporter
from medbench.progress_live import RichReporter
from tests.core.test_ledger import planned_trial

ONE, TWO = planned_trial("a", "x", "k1"), planned_trial("b", "x", "k2")


def two_at_once(reporter: Reporter) -> None:
    """The second ends first; the first is tried again meanwhile."""
    reporter.trial_started(ONE, 1, 3)
    first = reporter.of_trial(ONE)
    reporter.trial_started(TWO, 2, 3)
    second = reporter.of_trial(TWO)
    first.phase("encode", 4)
    second.phase("train", None)
    first.advance(2, "slow")
    reporter.trial_ended(Outcome(TWO, "failed", message="no luck"))
    first.phase("lost")
    reporter.trial_started(ONE, 1, 3)
    list(reporter.of_trial(ONE).track("ab", "score", 2))


def test_plain_lines_name_the_trial_where_several_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medbench.progress._PLAIN_INTERVAL_S", 0.0)
    stream = io.StringIO()
    two_at_once(PlainReporter(stream))
    assert stream.getvalue().splitlines() == [
        "[1/3] a@v on x-task, 100 %, seed 0",
        "[2/3] b@v on x-task, 100 %, seed 0",
        "  a@v on x-task, 100 %, seed 0: encode 0/4",
        "  b@v on x-task, 100 %, seed 0: train",
        "  a@v on x-task, 100 %, seed 0: encode 2/4 slow 0 s left",
        "FAILED b@v on x-task, 100 %, seed 0: no luck",
        "  a@v on x-task, 100 %, seed 0: lost",
        "[1/3] a@v on x-task, 100 %, seed 0",
        "  a@v on x-task, 100 %, seed 0: score 0/2",
        "  a@v on x-task, 100 %, seed 0: score 1/2 0 s left",
        "  a@v on x-task, 100 %, seed 0: score 2/2",
    ]


def test_plain_lines_of_the_only_trial_do_not() -> None:
    stream = io.StringIO()
    reporter = PlainReporter(stream)
    reporter.trial_started(ONE, 1, 1)
    reporter.phase("train", 3)
    assert stream.getvalue().splitlines() == ["[1/1] a@v on x-task, 100 %, seed 0", "  train 0/3"]


def test_json_phases_have_the_trials_key() -> None:
    stream = io.StringIO()
    reporter = JsonReporter(stream)
    reporter.phase("prepare", 5)
    two_at_once(reporter)
    reporter.trial_started(ONE, 3, 3)
    reporter.phase("alone")
    reporter.trial_ended(Outcome(ONE, "failed"))
    reporter.phase("after")
    events: list[dict[str, Any]] = [json.loads(line) for line in stream.getvalue().splitlines()]
    phases = [(one.get("key"), one["name"]) for one in events if one["event"] == "phase"]
    told = [("k1", "encode"), ("k2", "train"), ("k1", "lost"), ("k1", "score"), ("k1", "alone")]
    assert phases == [(None, "prepare"), *told, (None, "after")]
    assert "key" not in events[0]


def test_a_terminal_shows_a_bar_for_each_trial_at_work_below_that_of_the_run() -> None:
    console = Console(file=io.StringIO(), width=140, force_terminal=True)
    reporter = RichReporter(console)

    def bars() -> list[tuple[str, float, float | None]]:
        return [(task.description, task.completed, task.total) for task in reporter._progress.tasks]

    two_at_once(reporter)
    label = "a@v on x-task, 100 %, seed 0"
    assert bars() == [(label, 1, 3), (f"  {label}: score", 2, 2)]
    reporter.trial_started(TWO, 2, 3)
    reporter.of_trial(TWO).phase("train", 9)
    assert bars()[0] == ("2 trials at once", 1, 3)
    assert len(bars()) == 3
    for planned in (ONE, TWO):
        reporter.trial_ended(Outcome(planned, "failed"))
    assert bars() == [("trials", 3, 3)]


def test_a_terminal_shows_the_only_trial_under_its_name() -> None:
    reporter = RichReporter(Console(file=io.StringIO(), width=140, force_terminal=True))
    reporter.phase("prepare", 2)
    reporter.trial_started(ONE, 1, 2)
    reporter.phase("train", 9)
    reporter.advance(3, "loss 0.1")
    tasks = {task.description: task for task in reporter._progress.tasks}
    assert set(tasks) == {"a@v on x-task, 100 %, seed 0", "  train"}
    assert (tasks["  train"].completed, tasks["  train"].fields["note"]) == (3, "loss 0.1")
    reporter.trial_ended(Outcome(ONE, "failed"))
    assert [task.completed for task in reporter._progress.tasks] == [1]
