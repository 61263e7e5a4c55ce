"""The first-party tasks, offered through the entry-point group ``medbench``."""

from __future__ import annotations

from medbench.hookspecs import hookimpl
from medbench.specs import TaskSpec


@hookimpl
def medbench_tasks() -> tuple[TaskSpec, ...]:
    """The tasks of `medbench_tasks.catalogue`."""
    from medbench_tasks.catalogue import TASKS

    return TASKS
