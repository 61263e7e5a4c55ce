"""The tracker ``tensorboard``: one event file a trial, with its scores, its hyper-parameters and its record.

``<dir>/<task>/<method>/<percent>pct-seed<n>-<key>/``: the step of a score is the share of the training data in basis
points (1 % = 100), so that a method's dots lie along it. The file is made from the record alone and replaced as a whole:
writing it again changes nothing. Option: ``dir`` (default ``tensorboard`` in the results folder).
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medbench.errors import UsageError
from medbench.hookspecs import hookimpl
from medbench_trackers.facts import Plain, parameters, safe_name, scores, started_parameters, times
from medbench_trackers.options import place, read_options

if TYPE_CHECKING:
    from medbench.records import Record
    from medbench.settings import Settings
    from medbench.trials import Trial

OPTIONS = ("dir",)


@hookimpl
def medbench_tracker_ready(settings: Settings) -> None:
    """Raises `UsageError` where an option is unknown or TensorBoard is not installed."""
    from medbench.lifecycle import describe

    _root(settings)
    try:
        _library()
    except ImportError as error:
        raise UsageError(
            f"the tracker tensorboard needs TensorBoard ({describe(error)})", fix='pip install "medbench[tensorboard]"'
        ) from error


@hookimpl
def medbench_trial_finished(record: Record, settings: Settings) -> None:
    """Write the record's event file."""
    _write_record(_root(settings), record)


@hookimpl
def medbench_trial_failed(trial: Trial, key: str, message: str, settings: Settings) -> None:
    """Write the hyper-parameters of a trial that failed, and why; a later success replaces the file."""
    now = time.time()
    path = _path(_root(settings), trial.task.id, trial.choice.id, trial.fraction, trial.seed, key)
    _write(path, _Session(key, started_parameters(trial), {}, 0, ("error", message), (now, now), failed=True))


@hookimpl
def medbench_run_finished(records: list[Record], settings: Settings) -> None:
    """Write the files of records that have none yet, or an older one."""
    for record in records:
        _write_record(_root(settings), record)


@dataclass(frozen=True, slots=True)
class _Session:
    key: str
    parameters: Mapping[str, Plain]
    scores: Mapping[str, float]
    step: int
    text: tuple[str, str]
    times: tuple[float, float]
    failed: bool = False


def _write_record(root: Path, record: Record) -> None:
    import msgspec

    from medbench.records import encode

    told = encode(msgspec.structs.replace(record, replicates={})).decode()
    step = round(record.fraction * 10_000)
    chosen = {**parameters(record), "phantom": record.phantom}
    session = _Session(record.key, chosen, scores(record), step, ("record", told), times(record))
    _write(_path(root, record.task, record.method_id, record.fraction, record.seed, record.key), session)


def _write(path: Path, session: _Session) -> None:
    from medbench.files import write_bytes_atomically

    data = _event_file(session)
    if not path.exists() or path.read_bytes() != data:
        write_bytes_atomically(path, data)


def _event_file(session: _Session) -> bytes:
    """The bytes of an event file; TensorBoard's own writer would put the host's name into the file's."""
    library = _library()
    buffer = io.BytesIO()
    writer = library.RecordWriter(buffer)
    began, ended = session.times
    writer.write(library.Event(wall_time=began, file_version="brain.Event:2").SerializeToString(deterministic=True))
    summaries = [
        (0, library.hparams(dict(session.parameters), trial_id=session.key, start_time_secs=began)),
        *((session.step, library.scalar(name, value)) for name, value in session.scores.items()),
        (session.step, library.text(*session.text)),
        (0, library.end(ended, failed=session.failed)),
    ]
    for step, summary in summaries:
        event = library.Event(wall_time=ended, step=step, summary=summary)
        writer.write(event.SerializeToString(deterministic=True))
    return buffer.getvalue()


def _library() -> Any:
    from medbench_trackers import tensorboard_events

    return tensorboard_events


def _root(settings: Settings) -> Path:
    folder = read_options(settings, "tensorboard", OPTIONS).get("dir")
    return settings.results / "tensorboard" if folder is None else place(settings, folder)


def _path(root: Path, task: str, method: str, fraction: float, seed: int, key: str) -> Path:
    trial = safe_name(f"{fraction * 100:g}pct-seed{seed}-{key[:8]}")
    return root / _folder(task) / _folder(method) / trial / f"events.out.tfevents.{safe_name(key)}"


def _folder(name: str) -> str:
    return "@".join(safe_name(part) for part in name.split("@"))
