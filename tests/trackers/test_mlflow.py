"""Runs in a local MLflow store, read back by MLflow's own client."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from medbench.errors import UsageError
from medbench.lifecycle import Announcer
from medbench.records import MetricValue, Record, encode
from medbench.registry import Registry
from medbench.settings import Settings
from medbench.trials import Trial
from medbench_trackers import mlflow as tracker
from medbench_trackers.facts import parameters, scores
from tests.trackers.conftest import KEY


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No variable of MLflow before the test, and none after it."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(trackers={"mlflow": {"uri": "runs"}}, source=tmp_path / "medbench.toml")


def runs(folder: Path, experiment: str = "medbench") -> list[Any]:
    """Every run of an experiment, as MLflow gives them back."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=folder.as_uri())
    return list(client.search_runs([client.get_experiment_by_name(experiment).experiment_id]))


def test_a_trial_becomes_a_run_with_its_scores_parameters_and_record(
    settings: Settings, record: Record, trial: Trial, tmp_path: Path
) -> None:
    tracker.medbench_tracker_ready(settings)
    tracker.medbench_trial_started(trial, KEY, settings)
    (running,) = runs(tmp_path / "runs")
    assert running.info.status == "RUNNING"
    tracker.medbench_trial_finished(record, settings)
    (run,) = runs(tmp_path / "runs")
    assert (run.info.run_name, run.info.status) == ("toy@plain on toy-bright, 10 %, seed 0", "FINISHED")
    assert run.data.metrics == scores(record)
    assert run.data.params == {name: str(value) for name, value in parameters(record).items()}
    assert run.data.params == running.data.params
    tags = run.data.tags
    assert (tags["medbench.key"], tags["medbench.phantom"], tags["version.torch"]) == (KEY, "true", "2.11.0")
    assert (tags["medbench.checkpoint_sha256"], tags["medbench.manifest_sha256"]) == ("c" * 64, "d" * 64)
    (artifact,) = (tmp_path / "runs").rglob("record.json")
    assert artifact.read_bytes() == encode(record)


def test_a_record_is_logged_once_and_again_only_when_its_scores_change(
    settings: Settings, record: Record, tmp_path: Path
) -> None:
    other = msgspec.structs.replace(record, key="f" * 32, seed=1)
    tracker.medbench_run_finished([record, other], settings)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*")}
    tracker.medbench_run_finished([record, other], settings)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*")} == before
    lower = msgspec.structs.replace(record, metrics={"map": MetricValue(0.2)})
    tracker.medbench_run_finished([lower, other], settings)
    found = {run.data.tags["medbench.key"]: run for run in runs(tmp_path / "runs")}
    assert {key: run.data.metrics["map"] for key, run in found.items()} == {KEY: 0.2, "f" * 32: 0.5}
    assert {run.info.status for run in found.values()} == {"FINISHED"}


def test_a_trial_that_failed_or_was_killed_goes_on_in_its_run(
    settings: Settings, record: Record, trial: Trial, tmp_path: Path
) -> None:
    tracker.medbench_trial_started(trial, KEY, settings)  # killed: no word of its end
    tracker.medbench_trial_started(trial, KEY, settings)
    tracker.medbench_trial_failed(trial, KEY, "no memory", settings)
    (run,) = runs(tmp_path / "runs")
    assert (run.info.status, run.data.tags["medbench.error"]) == ("FAILED", "no memory")
    tracker.medbench_trial_started(trial, KEY, settings)
    tracker.medbench_trial_finished(record, settings)
    (again,) = runs(tmp_path / "runs")
    assert (again.info.run_id, again.info.status) == (run.info.run_id, "FINISHED")
    assert "medbench.error" not in again.data.tags


def test_long_values_are_cut_and_the_experiment_can_be_named(tmp_path: Path, record: Record) -> None:
    settings = Settings(trackers={"mlflow": {"uri": str(tmp_path / "runs"), "experiment": "chest x-rays"}})
    long = msgspec.structs.replace(record, recipe_values={"p" * 9000: "x" * 9000}, recipe_overrides={"a": "y" * 9000})
    tracker.medbench_trial_finished(long, settings)
    (run,) = runs(tmp_path / "runs", "chest x-rays")
    assert max(map(len, [*run.data.params.values(), *run.data.tags.values()])) == tracker.LONGEST_VALUE
    assert max(map(len, run.data.params)) < 250


def test_more_values_than_a_request_takes_are_sent_in_parts(settings: Settings, record: Record, tmp_path: Path) -> None:
    many = msgspec.structs.replace(
        record,
        recipe_values={f"field{number}": number for number in range(130)},
        metrics={f"m{number}": MetricValue(number / 1000) for number in range(230)},
        floors={},
    )
    tracker.medbench_trial_finished(many, settings)
    (run,) = runs(tmp_path / "runs")
    assert run.data.metrics == scores(many)
    assert len(run.data.params) == 135


def test_a_wrong_option_or_a_store_that_cannot_be_used_is_refused(settings: Settings) -> None:
    tracker.medbench_tracker_ready(settings)
    for options, message in (({"url": "x"}, "did you mean 'uri'"), ({"experiment": " "}, "a text is needed")):
        with pytest.raises(UsageError, match=message):
            tracker.medbench_tracker_ready(Settings(trackers={"mlflow": options}))
    with pytest.raises(UsageError, match=r"cannot log to the place named .*name a folder or a server") as caught:
        tracker.medbench_tracker_ready(Settings(trackers={"mlflow": {"uri": "carrier-pigeon://me:secret@home"}}))
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(importlib.util.find_spec("sqlalchemy") is not None, reason="this MLflow has a database driver")
def test_the_default_place_is_refused_where_mlflow_has_no_driver_for_it(settings: Settings) -> None:
    with pytest.raises(UsageError, match=r"MLflow's default place is a database.* - name a folder or a server: uri in"):
        tracker.medbench_tracker_ready(Settings(trackers={"mlflow": {}}))


def test_the_users_own_variables_stand(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    tracker.medbench_tracker_ready(settings)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == tracker.DEFAULTS["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]


def test_a_server_that_never_answers_costs_its_timeout_and_one_warning(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = Settings(trackers={"mlflow": {"uri": f"http://me:secret@127.0.0.1:{server.getsockname()[1]}"}})
        tracker.medbench_tracker_ready(settings)  # asks nothing of the server
        announcer = Announcer(Registry.load(), settings)
        said: list[str] = []
        worker = threading.Thread(
            target=lambda: [said.extend(announcer.announce("medbench_trial_finished", record=record)) for _ in "ab"],
            daemon=True,
        )
        worker.start()
        worker.join(20)
        assert not worker.is_alive()
    (line,) = said
    assert line.startswith("mlflow [medbench]: medbench_trial_finished raised MlflowException")
    assert "secret" not in json.dumps(said)
