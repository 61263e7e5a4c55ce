"""The Markdown page of a task: its tables, those set aside, what is only reported, and the phantom's, in this order."""

from __future__ import annotations

from collections.abc import Sequence

from medbench.leaderboard.markdown import markdown_section
from medbench.leaderboard.table import Table
from medbench.leaderboard.text import name_text
from medbench.specs import TaskSpec

PHANTOM = (
    "**Generated data.** Images or weights of these trials were drawn by `medbench phantom`. The numbers show that the "
    "machinery works; they say nothing about any method, and are never ranked beside real ones."
)
SET_ASIDE = "A change of version moves numbers: these are never compared with the tables above."
_REPORTED = "What papers print for recipes under which nothing was run here. Nothing of it is ranked."


def task_page(task: str, tables: Sequence[Table], reported: Sequence[Table], spec: TaskSpec | None) -> str:
    """The page without its mark; ``reported`` are tables of figures alone. A task whose plugin is gone has no ranks."""
    real = [table for table in tables if not table.heading.phantom]
    current = [table for table in real if not table.heading.set_aside]
    aside = [table for table in real if table.heading.set_aside]
    phantom = [table for table in tables if table.heading.phantom]
    parts = [f"# {name_text(spec.title if spec else task)}", _summary(task, spec), "[All tasks](README.md)"]
    parts += [_section(table) for table in current]
    if not current:
        parts.append(f"No record {'of the present version ' if real else ''}on real data yet.")
    if aside:
        parts += ["## Set aside: other versions of the task", SET_ASIDE, *map(_section, aside)]
    if reported:
        parts += ["## Reported", _REPORTED, *(_reported_section(table) for table in reported)]
    if phantom:
        parts += ["## Phantom", PHANTOM, *map(_section, phantom)]
    return "\n\n".join(parts) + "\n"


def _summary(task: str, spec: TaskSpec | None) -> str:
    if spec is None:
        return f"Task {name_text(task)}: its plugin is not installed, so its cells are neither ranked nor marked."
    metric = spec.ranking_metric
    better = "higher" if metric.higher_is_better else "lower"
    return (
        f"Task {name_text(spec.id)}, version {spec.version}: dataset {name_text(spec.dataset)}, protocol "
        f"{name_text(spec.protocol)}, split {name_text(spec.split)}. Ranked by {name_text(metric.title)} at the largest "
        f"fraction of the training data ({better} is better)."
    )


def _section(table: Table) -> str:
    heading = table.heading
    aside = heading.set_aside or heading.phantom
    kind = f"### Version {heading.version}, recipe" if aside else "## Recipe"
    split, data = name_text(heading.split), name_text(heading.data)
    return markdown_section(table, f"{kind} {name_text(heading.recipe)}, split {split}, data {data}")


def _reported_section(table: Table) -> str:
    return markdown_section(table, f"### Reported, recipe {name_text(table.heading.recipe)}")
