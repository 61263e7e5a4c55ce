"""Trials on a real Ray of two processes: the records of a local run, whatever happens to the processes."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import pytest

from medbench.executors.local import LocalExecutor
from medbench.executors.ray import RayExecutor
from medbench.registry import Registry
from medbench.settings import Settings
from medbench.store import ResultStore


@pytest.fixture
def registry(ray_here: Any) -> Registry:
    return Registry.load()


def test_the_record_is_that_of_a_local_run(registry: Registry, tmp_path: Path) -> None:
    from tests.executors.ray_toys import Remembering, draw_toy, ready_trials, settings_in

    alone, spread = settings_in(tmp_path, "alone"), settings_in(tmp_path, "spread")
    draw_toy(alone)
    trials = ready_trials(registry, alone, 1)
    LocalExecutor(registry, alone).run(trials, Remembering())
    spread.results.mkdir()
    reporter = Remembering()
    (outcome,) = RayExecutor(registry, spread).run(trials, reporter)
    assert outcome.state == "finished"
    assert told(spread) == told(alone)
    assert {"started 1/1", "phase train", "finished"} <= set(reporter.lines)


@pytest.mark.slow
def test_the_records_are_those_of_a_local_run_though_a_process_is_killed(registry: Registry, tmp_path: Path) -> None:
    from tests.executors.ray_toys import Remembering, draw_toy, ready_trials, settings_in

    alone, spread = settings_in(tmp_path, "alone"), settings_in(tmp_path, "spread")
    draw_toy(alone)
    LocalExecutor(registry, alone).run(ready_trials(registry, alone, 4), Remembering())
    trials = ready_trials(registry, spread, 4)
    (spread.results / "stumbles").write_text("1")
    reporter = Remembering()
    outcomes = RayExecutor(registry, spread).run(trials, reporter)
    assert [outcome.state for outcome in outcomes] == ["finished"] * 4
    assert told(spread) == told(alone)
    assert {line for line in reporter.lines if line.startswith("started")} == {f"started {n}/4" for n in range(1, 5)}
    assert sum(line.endswith(": WorkerCrashedError; try 2 of 3 follows") for line in reporter.lines) == 1
    (failed,) = [line for line in (spread.results / "heard").read_text().splitlines() if line.startswith("failed")]
    assert failed.endswith("its worker was lost: WorkerCrashedError")
    assert not [*spread.results.glob(".shared-*"), *spread.cache.glob(".shared-*")]


def told(settings: Settings) -> list[bytes]:
    """The records without what differs from run to run."""
    records = ResultStore(settings.results).read_all().records
    return [msgspec.json.encode(msgspec.structs.replace(one, provenance=None, notes={})) for one in records]


@pytest.mark.slow
def test_a_trial_that_kills_every_process_fails_alone(registry: Registry, tmp_path: Path) -> None:
    from tests.executors.ray_toys import Remembering, draw_toy, ready_trials, settings_in

    settings = dataclasses.replace(settings_in(tmp_path), jobs=1)
    draw_toy(settings)
    trials = ready_trials(registry, settings, 1)
    (settings.results / "stumbles").write_text("9")
    (outcome,) = RayExecutor(registry, settings).run(trials, Remembering())
    assert (outcome.state, outcome.exit_code) == ("failed", 1)
    assert outcome.message == "its worker was lost 3 times, the last time with Ray's WorkerCrashedError"
    assert (settings.results / "stumbles").read_text() == "6"


@pytest.mark.slow
def test_what_a_worker_refuses_is_a_failed_trial(registry: Registry, tmp_path: Path) -> None:
    from tests.executors.ray_toys import Remembering, draw_toy, ready_trials, settings_in

    settings = settings_in(tmp_path)
    draw_toy(settings)
    (planned,) = ready_trials(registry, settings, 1)
    choice = planned.trial.choice
    spec = dataclasses.replace(choice.spec, id="unheard-of")
    unknown = dataclasses.replace(planned.trial, choice=dataclasses.replace(choice, spec=spec))
    (outcome,) = RayExecutor(registry, settings).run([dataclasses.replace(planned, trial=unknown)], Remembering())
    assert (outcome.state, outcome.exit_code) == ("failed", 2)
    assert "unheard-of" in outcome.message


@pytest.mark.slow
def test_a_trial_that_another_process_holds_is_waited_for(registry: Registry, tmp_path: Path) -> None:
    from tests.executors.ray_toys import Remembering, draw_toy, ready_trials, settings_in

    settings = settings_in(tmp_path)
    draw_toy(settings)
    trials = ready_trials(registry, settings, 2)
    first = trials[0]
    with contextlib.ExitStack() as stack:
        claim = ResultStore(settings.results).claim(first.trial.task.id, first.trial.choice.id, str(first.key))
        assert stack.enter_context(claim)
        outcomes = RayExecutor(registry, settings).run(trials, Remembering(on_end=stack.close))
    assert [outcome.planned.trial.seed for outcome in outcomes] == [1, 0]
    assert [outcome.state for outcome in outcomes] == ["finished", "finished"]
