"""The hooks a plugin may implement, through the entry-point group ``medbench``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from medbench.records import Record
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
def medbench_trial_started(trial: Trial) -> None:
    """A trial is about to load its method."""


@hookspec
def medbench_trial_finished(record: Record) -> None:
    """A trial's record has been written."""


@hookspec
def medbench_run_finished(records: list[Record]) -> None:
    """Every trial of a run has ended; the records are those of the whole plan, old and new."""
