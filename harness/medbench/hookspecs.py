"""The hooks a plugin may implement, through the entry-point group ``medbench``.

An implementation asks for the arguments that it wants, by name. What a life-cycle hook raises becomes a warning and costs
no result. A plugin that implements `medbench_tracker_ready` is a *tracker*: it bears the name of its entry point, and its
life-cycle hooks are called only in a run that names it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from medbench.records import Record
    from medbench.settings import Settings
    from medbench.specs import DatasetSpec, MethodSpec, TaskSpec
    from medbench.trials import Trial

hookspec = pluggy.HookspecMarker("medbench")
hookimpl = pluggy.HookimplMarker("medbench")


@hookspec
def medbench_methods() -> Iterable[MethodSpec]:  # type: ignore[empty-body]
    """The methods that this plugin offers."""


@hookspec
def medbench_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """The datasets that this plugin can read."""


@hookspec
def medbench_tasks() -> Iterable[TaskSpec]:  # type: ignore[empty-body]
    """The tasks that this plugin defines."""


@hookspec
def medbench_tracker_ready(settings: Settings) -> None:
    """A run names this tracker: check its library and its options. What is raised here stops the run before any work."""


@hookspec
def medbench_trial_started(trial: Trial, key: str, settings: Settings) -> None:
    """A trial is about to load its method; its record will have this key."""


@hookspec
def medbench_trial_finished(record: Record, settings: Settings) -> None:
    """A trial's record has been written."""


@hookspec
def medbench_trial_failed(trial: Trial, key: str, message: str, settings: Settings) -> None:
    """A trial that was started gave no record, for the reason in the message: an error, or an interruption."""


@hookspec
def medbench_run_finished(records: list[Record], settings: Settings) -> None:
    """Every trial of a run has ended; the records are those of the whole plan, old and new."""
