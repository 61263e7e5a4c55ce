"""The catalogue of tasks: dataset x protocol x recipe, with the metric that ranks."""

from __future__ import annotations

from medbench_tasks.catalogue import classification, dense, frozen, texts

TASKS = (*dense.TASKS, *classification.TASKS, *frozen.TASKS, *texts.TASKS)
