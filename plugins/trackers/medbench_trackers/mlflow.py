"""The tracker ``mlflow``: one MLflow run a trial, found again by the trial's key, so that nothing is logged twice.

A run is ``RUNNING`` while its trial is, then ``FINISHED`` or ``FAILED``. A trial that is run again, after a failure or an
interruption, goes on in the run that it had. Options: ``uri``, ``experiment``.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medbench.errors import UsageError
from medbench.hookspecs import hookimpl
from medbench_trackers.facts import digest, parameters, safe_name, scores, started_parameters, times, trial_name
from medbench_trackers.options import place, read_options

if TYPE_CHECKING:
    from medbench.records import Record
    from medbench.settings import Settings
    from medbench.trials import Trial

OPTIONS = ("uri", "experiment")
EXPERIMENT = "medbench"
KEY, SCORES, ERROR = "medbench.key", "medbench.scores", "medbench.error"
LONGEST_VALUE = 5000
"""Characters of a tag or a parameter; newer servers take more, none less."""
BATCH = 100
"""Parameters, tags or metrics in one request; MLflow takes no more of the first two."""
DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",  # seconds; a server that hangs must not hold up the trials
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout is the leaderboard's, or JSON lines
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""Variables of MLflow that are set where the user has not."""


@hookimpl
def medbench_tracker_ready(settings: Settings) -> None:
    """Raises `UsageError` where an option is unknown, MLflow is not installed, or it cannot use the place named."""
    from medbench.lifecycle import describe

    fix = "name a folder or a server: uri in [trackers.mlflow], or MLFLOW_TRACKING_URI"
    uri = _uri(settings)
    try:
        _client(uri)
    except ImportError as error:
        raise UsageError(
            f"the tracker mlflow needs MLflow ({describe(error)})", fix='pip install "medbench[mlflow]"'
        ) from error
    except Exception as error:
        if uri is None and importlib.util.find_spec("sqlalchemy") is None:
            said = "MLflow's default place is a database, and the MLflow that is installed here has no driver for one"
            raise UsageError(said, fix=fix) from error
        raise UsageError(f"MLflow cannot log to the place named ({describe(error)})", fix=fix) from error


@hookimpl
def medbench_trial_started(trial: Trial, key: str, settings: Settings) -> None:
    """Open the trial's run, or its earlier one again."""
    log = _Log.open(settings)
    run = log.find(key) or log.create(key, trial.label)
    log.client.update_run(run.info.run_id, status="RUNNING")
    log.parameters(run, started_parameters(trial))


@hookimpl
def medbench_trial_finished(record: Record, settings: Settings) -> None:
    """Log the record."""
    _Log.open(settings).record(record)


@hookimpl
def medbench_trial_failed(trial: Trial, key: str, message: str, settings: Settings) -> None:
    """End the trial's run as failed, with the reason in a tag."""
    log = _Log.open(settings)
    run = log.find(key) or log.create(key, trial.label)
    log.client.set_tag(run.info.run_id, ERROR, message[:LONGEST_VALUE])
    log.client.set_terminated(run.info.run_id, "FAILED")


@hookimpl
def medbench_run_finished(records: list[Record], settings: Settings) -> None:
    """Log the records that have no run yet: of trials that were done before, or that could not be logged meanwhile."""
    if records:
        log = _Log.open(settings)
        for record in records:
            log.record(record)


@dataclass(frozen=True, slots=True)
class _Log:
    client: Any
    experiment: str

    @classmethod
    def open(cls, settings: Settings) -> _Log:
        client = _client(_uri(settings))
        name = read_options(settings, "mlflow", OPTIONS).get("experiment")
        return cls(client, _experiment(client, name or os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT))

    def find(self, key: str) -> Any:
        """The trial's run, or None."""
        found = self.client.search_runs([self.experiment], f"tags.`{KEY}` = '{key}'", max_results=1)
        return found[0] if found else None

    def create(self, key: str, name: str, began: float | None = None) -> Any:
        start = None if began is None else int(began * 1000)
        return self.client.create_run(self.experiment, start_time=start, tags={KEY: key}, run_name=name)

    def parameters(self, run: Any, values: Mapping[str, object]) -> None:
        """Those that the run lacks: MLflow refuses to change one."""
        from mlflow.entities import Param

        lacking = {name: str(value)[:LONGEST_VALUE] for name, value in values.items() if name not in run.data.params}
        self._send(run.info.run_id, "params", [Param(name, value) for name, value in lacking.items()])

    def record(self, record: Record) -> None:
        """Fill the trial's run, unless these scores are in it, and end it as finished."""
        from mlflow.entities import Metric, RunTag

        from medbench.records import encode

        began, ended = times(record)
        run = self.find(record.key) or self.create(record.key, trial_name(record), began)
        run_id, values = run.info.run_id, scores(record)
        if run.data.tags.get(SCORES) != digest(values):
            self.parameters(run, parameters(record))
            now = int(time.time() * 1000)  # of several values MLflow shows the latest
            self._send(run_id, "metrics", [Metric(name, value, now, 0) for name, value in values.items()])
            self._send(run_id, "tags", [RunTag(name, value[:LONGEST_VALUE]) for name, value in _tags(record).items()])
            self.client.log_text(run_id, encode(record).decode(), "record.json")
            self.client.set_tag(run_id, SCORES, digest(values))  # the last: it says that the rest is there
        if ERROR in run.data.tags:
            self.client.delete_tag(run_id, ERROR)
        if run.info.status != "FINISHED":
            self.client.set_terminated(run_id, "FINISHED", end_time=int(ended * 1000))

    def _send(self, run_id: str, kind: str, entities: Sequence[Any]) -> None:
        for first in range(0, len(entities), BATCH):
            self.client.log_batch(run_id, **{kind: entities[first : first + BATCH]})


def _tags(record: Record) -> dict[str, str]:
    facts = {
        "phantom": str(record.phantom).lower(),
        "recipe": record.recipe_label,
        "dataset": f"{record.dataset} {record.split}",
        "checkpoint_sha256": record.checkpoint_sha256 or "none",
        "manifest_sha256": record.manifest_sha256,
        "version": record.provenance.medbench,
        "device": record.provenance.device,
        "precision": record.provenance.precision,
    }
    versions = {safe_name(f"version.{name}"): version for name, version in record.provenance.versions.items()}
    return {f"medbench.{name}": value for name, value in facts.items()} | versions


def _uri(settings: Settings) -> str | None:
    """The place named in the options, a folder as a ``file:`` address; None for MLflow's own choice."""
    uri = read_options(settings, "mlflow", OPTIONS).get("uri")
    if uri is None or uri.partition(":")[0] == "databricks" or "://" in uri or uri.startswith("file:"):
        return uri
    return place(settings, uri).resolve().as_uri()


def _client(uri: str | None) -> Any:
    """A client; nothing is sent. MLflow 3 refuses a folder unless a variable allows it: who names one means it."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    chosen = uri or os.environ.get("MLFLOW_TRACKING_URI", "")
    if chosen.startswith("file:"):
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _experiment(client: Any, name: str) -> str:
    from mlflow.exceptions import MlflowException

    known = client.get_experiment_by_name(name)
    if known is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:  # another process has just made it
            known = client.get_experiment_by_name(name)
            if known is None:
                raise
    return str(known.experiment_id)
