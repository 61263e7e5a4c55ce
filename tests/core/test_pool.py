"""Trials at once in worker processes: the same records as in this process, whatever happens to the workers."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medbench.executors.base import Outcome
from medbench.executors.local import LocalExecutor
from medbench.plan import PlannedTrial, Request, build_plan
from medbench.preparation import prepare
from medbench.progress import Reporter
from medbench.registry import Registry
from medbench.settings import Settings
from tests.core.conftest import TOY
from tests.e2e.conftest import install

DEADLY = importlib.metadata.EntryPoint("deadly", "medbench_deadly", "medbench")


class Remembering(Reporter):
    """What was told of the trials, by seed."""

    def __init__(self) -> None:
        self.started: list[tuple[int, int]] = []
        self.messages: list[str] = []
        self.phases: dict[int, list[str]] = {}

    def trial_started(self, planned: PlannedTrial, number: int, total: int) -> None:
        self.started.append((planned.trial.seed, number))

    def message(self, text: str) -> None:
        self.messages.append(text)

    def of_trial(self, planned: PlannedTrial) -> Any:
        names = self.phases.setdefault(planned.trial.seed, [])

        class Phases(Reporter):
            def phase(self, name: str, total: int | None = None) -> None:
                names.append(name)

        return Phases()


@pytest.fixture
def deadly(tmp_path: Path, toy_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the deadly plugin obeys; it and the toy are installed for worker processes."""
    site = tmp_path / "site"
    install(site, "toy-plugin", "medbench_toy")
    install(site, "deadly", "medbench_deadly")
    paths = [str(site), str(toy_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    folder = tmp_path / "deadly"
    folder.mkdir()
    monkeypatch.setenv("DEADLY", str(folder))
    return folder


def ready(registry: Registry, settings: Settings, seeds: int) -> tuple[PlannedTrial, ...]:
    request = Request(methods="toy", tasks="toy-bright", seeds=tuple(range(seeds)))
    for files in build_plan(request, registry, settings).unprepared:
        prepare(files, Reporter())
    return build_plan(request, registry, settings).of_state("ready")


def heard(folder: Path) -> list[tuple[int, str]]:
    """Process and what it was told."""
    lines = [line.split(" ", 1) for line in (folder / "heard").read_text().splitlines()]
    return [(int(process), text) for process, text in lines]


def by_seed(outcomes: list[Outcome]) -> dict[int, Outcome]:
    assert len({outcome.planned.key for outcome in outcomes}) == len(outcomes)
    return {outcome.planned.trial.seed: outcome for outcome in outcomes}


def test_lost_workers_are_replaced_their_trials_tried_again_and_one_that_kills_each_of_them_fails(
    toy_data: Path, deadly: Path, settings: Settings
) -> None:
    (deadly / "once-0").touch()
    (deadly / "always-1").touch()
    registry = Registry([TOY, DEADLY])
    trials = ready(registry, settings, 2)
    reporter = Remembering()
    outcomes = by_seed(LocalExecutor(registry, dataclasses.replace(settings, jobs=2)).run(trials, reporter))
    assert {seed: outcome.state for seed, outcome in outcomes.items()} == {0: "finished", 1: "failed"}

    lost = outcomes[1]
    kept = settings.results / ".failures" / f"{lost.planned.key}.txt"
    end = f"its worker was lost 3 times, the last time killed by SIGTERM - what it last said is in {kept}"
    assert (lost.message, lost.exit_code) == (end, 1)
    assert kept.read_text().endswith("farewell\n")
    assert sum("killed by SIGKILL (out of memory?); try 2 of 3 follows" in line for line in reporter.messages) == 1
    assert sum(line.endswith(": farewell") for line in reporter.messages) == 3

    told = heard(deadly)
    assert all(process != os.getpid() for process, text in told if text.startswith(("started", "finished")))
    losses = [text for process, text in told if process == os.getpid()]
    killed, ended = "its worker was lost: killed by SIGKILL (out of memory?)", "its worker was lost: killed by SIGTERM"
    assert sorted(losses) == [f"failed 0 {killed}", *[f"failed 1 {ended}"] * 3]
    assert len({process for process, text in told if text.startswith("started")}) >= 4

    numbers = set(reporter.started)  # each its own, in later tries too
    assert len(reporter.started) == 5 and len(numbers) == 2 and {number for _, number in numbers} == {1, 2}
    assert reporter.phases[0] == ["lost", "load", "train", "score"]
    assert reporter.phases[1] == ["lost"] * 3

    here = dataclasses.replace(settings, jobs=1, results=settings.results.parent / "here")
    (alone,) = LocalExecutor(registry, here).run(trials[:1], Reporter())
    assert result_of(outcomes[0]) == result_of(alone)


def result_of(outcome: Outcome) -> dict[str, Any]:
    """A record without what two runs differ in: when it was made, and how fast."""
    import msgspec

    record = msgspec.to_builtins(outcome.record)
    assert record is not None
    return {name: value for name, value in record.items() if name not in {"provenance", "notes"}}


@pytest.mark.parametrize(
    ("used", "error", "spoilt"), [(True, "device-side assert", True), (True, "", False), (False, "", False)]
)
def test_a_worker_whose_gpu_answers_no_more_makes_room_for_a_new_one(
    used: bool, error: str, spoilt: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medbench.executors.serve import gpu_is_spoilt

    def synchronize() -> None:
        if error:
            raise RuntimeError(error)

    cuda = SimpleNamespace(is_initialized=lambda: used, synchronize=synchronize)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert gpu_is_spoilt() is spoilt


def test_a_driver_of_workers_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'numpy', 'pyarrow'} & set(sys.modules)"
    code = f"import sys, medbench.executors.local; print(sorted({heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
