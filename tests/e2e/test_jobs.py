"""``medbench run --jobs 2``: interrupted, killed, misused, tracked, and beside another run on the same folder."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from medbench.store import ResultStore
from tests.e2e.conftest import Shell, install

RUN = ("run", "--methods", "toy", "--tasks", "toy-bright")


@pytest.fixture
def ready(shell: Shell) -> Shell:
    """A folder with the toy's phantom, and the plugin that does what files in ``deadly`` say."""
    install(shell.folder.parent / "site", "deadly", "medbench_deadly")
    (shell.folder / "deadly").mkdir()
    shell.environment["DEADLY"] = str(shell.folder / "deadly")
    shell("phantom", ".", "--datasets", "toy", "--methods", "toy", "--images", "24", "--side", "64")
    return shell


def heard(shell: Shell) -> list[tuple[int, str]]:
    """Process and what it was told of which seed."""
    path = shell.folder / "deadly" / "heard"
    lines = [line.split(" ", 1) for line in path.read_text().splitlines()] if path.exists() else []
    return [(int(process), text) for process, text in lines]


@pytest.mark.parametrize(
    ("kill", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGKILL, -9, marks=pytest.mark.slow)]
)
def test_a_driver_that_is_interrupted_or_killed_leaves_no_process_and_no_claim(
    ready: Shell, kill: signal.Signals, code: int
) -> None:
    pause = ready.folder / "deadly" / "pause"
    pause.touch()
    driver = ready.start(*RUN, "--seeds", "0,1,2", "--jobs", "2")
    wait_until(lambda: len(heard(ready)) == 2 or driver.poll() is not None)
    workers = {process for process, _ in heard(ready)}
    assert len(workers) == 2 and driver.pid not in workers
    driver.send_signal(kill)
    said = driver.communicate(timeout=60)[0]
    assert driver.returncode == code, said
    assert kill == signal.SIGKILL or "the same command goes on from there" in said
    assert "Traceback" not in said
    wait_until(lambda: not any(alive(process) for process in workers))
    assert sorted(text for _, text in heard(ready)[2:]) == ["failed 0 interrupted", "failed 1 interrupted"]
    store = ResultStore(ready.folder / "results")
    locks = list((store.root / ".locks").glob("*.lock"))
    assert len(locks) == 2
    for lock in locks:
        with store.claim("toy-bright", "toy@plain", lock.stem) as ours:
            assert ours


def test_misuse_is_one_line_before_anything_is_looked_at(shell: Shell) -> None:
    result = shell(*RUN, "--jobs", "4", "--device", "cuda:1", code=2)
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: --device cuda:1 is one GPU of this machine, --jobs 4 asks for more - ")


@pytest.mark.slow
def test_two_runs_of_two_jobs_share_a_folder_and_each_trial_is_told_and_tracked_once(ready: Shell) -> None:
    ready("data", "prepare", "toy")
    arguments = (*RUN, "--seeds", "0,1,2,3,4,5", "--jobs", "2", "--json", "--track", "tensorboard")
    both = [ready.start(*arguments), ready.start(*arguments)]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    events = [json.loads(line) for output in outputs for line in output.splitlines()]
    keys = sorted(event["key"] for event in events if event["event"] == "trial_started")
    assert keys == sorted(path.stem for path in (ready.folder / "results").glob("*/*/*.json"))
    assert len(set(keys)) == 6
    assert {event["key"] for event in events if event["event"] == "phase"} == set(keys)
    assert len([event for event in events if event["event"] == "trial_ended"]) == 12  # each run tells of each
    files = [path.name for path in (ready.folder / "results" / "tensorboard").rglob("*tfevents*")]
    assert sorted(files) == sorted(f"events.out.tfevents.{key}" for key in keys)
    drivers = {process.pid for process in both}
    told = heard(ready)
    assert sorted(text for _, text in told if text.startswith("finished")) == [f"finished {seed}" for seed in range(6)]
    assert {process for process, text in told if text == "over 6"} == drivers
    assert not drivers & {process for process, text in told if not text.startswith("over")}
    assert "1 trials: 1 done" in ready(*RUN, "--seeds", "3", "--jobs", "2").stderr


@pytest.mark.slow
def test_a_failed_trial_gives_the_exit_code_of_a_run_in_one_process_and_the_table_of_the_others(ready: Shell) -> None:
    (ready.folder / "deadly" / "always-1").touch()
    result = ready(*RUN, "--seeds", "0,1,2", "--jobs", "2", code=1)
    assert "toy@plain" in result.stdout
    assert "FAILED toy@plain on toy-bright, 100 %, seed 1: its worker was lost 3 times" in result.stderr
    assert "  toy@plain on toy-bright, 100 %, seed 0: train 0/3" in result.stderr.splitlines()
    assert len(list((ready.folder / "results").glob("*/*/*.json"))) == 2


def alive(process: int) -> bool:
    """Whether the process still runs; one that has ended and was not asked after is not alive."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
