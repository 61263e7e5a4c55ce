"""``medbench run --track``: with the real libraries, interrupted, with a tracker that raises, without its library."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Shell, install

RUN = ("run", "--methods", "toy", "--tasks", "toy-bright")
GRUMPY = """
from medbench.hookspecs import hookimpl

@hookimpl
def medbench_tracker_ready():
    pass

@hookimpl
def medbench_trial_finished(record):
    raise OSError('no space left for ' + record.key)
"""


@pytest.fixture
def ready(shell: Shell) -> Shell:
    """A folder with the toy's phantom and its settings."""
    shell("phantom", ".", "--datasets", "toy", "--methods", "toy", "--images", "24", "--side", "64")
    return shell


def mlflow_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=folder.as_uri())
    return list(client.search_runs([client.get_experiment_by_name("medbench").experiment_id]))


def test_both_trackers_show_each_trial_and_one_that_raises_is_said_once_and_costs_nothing(
    ready: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(ready.folder.parent / "site", "grumpy", "grumpy", GRUMPY)
    with (ready.folder / "medbench.toml").open("a") as file:
        file.write('[trackers.mlflow]\nuri = "runs"\n')
    result = ready(*RUN, "--seeds", "0,1", "--track", "grumpy,tensorboard", "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]  # no library speaks in between
    messages = [event["message"] for event in events if event["event"] == "trial_ended"]
    assert "grumpy [grumpy]: medbench_trial_finished raised OSError: no space left for " in messages[0]
    assert messages[1] == ""
    records = {path.stem for path in (ready.folder / "results").glob("*/*/*.json")}
    assert len(records) == 2
    runs = mlflow_runs(ready.folder / "runs", monkeypatch)
    assert sorted((run.data.params["seed"], run.info.status) for run in runs) == [("0", "FINISHED"), ("1", "FINISHED")]
    assert {run.data.tags["medbench.key"] for run in runs} == records
    assert {run.data.tags["medbench.phantom"] for run in runs} == {"true"}
    files = [path.name for path in (ready.folder / "results/tensorboard").rglob("*tfevents*")]
    assert sorted(files) == sorted(f"events.out.tfevents.{key}" for key in records)


@pytest.mark.slow
def test_an_interrupted_trial_is_shown_as_failed_and_goes_on_in_its_run(
    ready: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = ready.folder / "marker"
    with (ready.folder / "medbench.toml").open("a") as file:
        file.write('[trackers.mlflow]\nuri = "runs"\n')
    process = ready.start(*RUN, TOY_STOP_AT=str(marker))
    deadline = time.monotonic() + 120
    while not marker.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130, said
    (cut,) = mlflow_runs(ready.folder / "runs", monkeypatch)
    assert (cut.info.status, cut.data.tags["medbench.error"]) == ("FAILED", "interrupted")
    ready(*RUN)
    (run,) = mlflow_runs(ready.folder / "runs", monkeypatch)
    assert (run.info.run_id, run.info.status) == (cut.info.run_id, "FINISHED")


@pytest.mark.parametrize("library", ["mlflow", "tensorboard"])
def test_a_library_that_is_absent_is_said_before_any_work(shell: Shell, library: str) -> None:
    absent = shell.folder.parent / "absent"
    absent.mkdir()
    (absent / f"{library}.py").write_text(f"raise ModuleNotFoundError(\"No module named '{library}'\")\n")
    path = os.pathsep.join([str(absent), shell.environment["PYTHONPATH"]])
    result = shell(*RUN, code=2, PYTHONPATH=path, MEDBENCH_TRACKERS=library)
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: the tracker {library} needs ")
    assert line.endswith(f"(ModuleNotFoundError: No module named '{library}') - pip install \"medbench[{library}]\"")
    assert "mlflow" in shell("plugins", PYTHONPATH=path).stdout  # the plugin itself is well


def test_a_name_that_no_tracker_has_is_refused(shell: Shell) -> None:
    result = shell(*RUN, "--track", "tensorbord", code=2)
    assert result.stderr == "error: unknown tracker 'tensorbord' - did you mean 'tensorboard'?\n"
