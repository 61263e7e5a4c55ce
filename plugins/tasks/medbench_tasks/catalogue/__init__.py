"""The catalogue of tasks: dataset x protocol x recipe, with the metric that ranks, and what papers report for them."""

from __future__ import annotations

from dataclasses import replace

from medbench_tasks.catalogue import classification, dense, frozen, texts
from medbench_tasks.reported import BY_TASK

TASKS = tuple(
    replace(task, reported=BY_TASK.get(task.id, ()))
    for task in (*dense.TASKS, *classification.TASKS, *frozen.TASKS, *texts.TASKS)
)
