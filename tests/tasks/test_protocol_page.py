"""The page on published protocols: every name on it exists, and every recipe it names has the fields it says."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from medbench.specs import TaskSpec
from medbench_datasets import medbench_datasets
from medbench_methods import medbench_methods
from medbench_tasks.catalogue import TASKS

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/protocols.md").read_text(encoding="utf-8")
BY_ID = {task.id: task for task in TASKS}
DATASETS = {spec.id: spec for spec in medbench_datasets()}
METHODS = {f"{spec.id}@{variant.id}" for spec in medbench_methods() for variant in spec.variants}
METHODS |= {spec.id for spec in medbench_methods()}
TOKEN = re.compile(r"`([^`]+)`")
NAME = re.compile(r"[a-z0-9][a-z0-9@._-]*\Z")
FIELD = re.compile(r"([a-z_]+)=(\S+)\Z")


class Claim(NamedTuple):
    """What one cell says of some tasks: names that each of them must have, and fields of a recipe."""

    tasks: tuple[TaskSpec, ...]
    names: tuple[str, ...]
    fields: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        return f"{'+'.join(task.id for task in self.tasks)}: {' '.join(self.names)}"


def claims() -> Iterator[Claim]:
    """From the last cells of tables, divided by semicolons, each ``task, task: kind name, name``."""
    for line in PAGE.splitlines():
        for part in line.rstrip(" |").rpartition(" | ")[2].split(";") if line.startswith("| ") else ():
            tokens = TOKEN.findall(part)
            tasks = tuple(BY_ID[token] for token in tokens if token in BY_ID)
            if tasks:
                fields = tuple((found[1], found[2]) for token in tokens if (found := FIELD.match(token)))
                rest = tuple(token for token in tokens if token not in BY_ID and NAME.match(token))
                yield Claim(tasks, rest, fields)


def vocabulary(task: TaskSpec) -> set[str]:
    """Every name that a cell may give beside that task."""
    recipe_fields = {field.name for recipe in task.recipes.values() for field in dataclasses.fields(recipe)}
    return {
        *task.recipes,
        *(metric.name for metric in task.metrics),
        *(figure.metric for figure in task.reported),
        *(split.name for split in DATASETS[task.dataset].splits),
        task.dataset,
        *recipe_fields,
    }


CLAIMS = list(claims())


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.text)
def test_tasks_have_what_the_page_says(claim: Claim) -> None:
    for task in claim.tasks:
        assert set(claim.names) <= vocabulary(task)


@pytest.mark.parametrize("claim", [one for one in CLAIMS if one.fields], ids=lambda claim: claim.text)
def test_recipes_have_the_fields_that_the_page_says(claim: Claim) -> None:
    for task in claim.tasks:
        (recipe,) = (task.recipes[name] for name in claim.names if name in task.recipes)
        for field, value in claim.fields:
            assert str(getattr(recipe, field)) == value


def test_the_page_makes_many_claims() -> None:
    """So that a change of its form does not leave the tests above with nothing to do."""
    assert len(CLAIMS) > 80 and sum(len(claim.fields) for claim in CLAIMS) > 25


def test_every_name_anywhere_on_the_page_exists() -> None:
    known = METHODS | set(DATASETS) | set(BY_ID)
    for task in TASKS:
        known |= vocabulary(task)
    names = {token for token in TOKEN.findall(PAGE) if NAME.match(token)}
    assert sorted(names - known) == []


def test_named_splits_are_those_of_the_task_unless_another_is_meant() -> None:
    for claim in CLAIMS:
        for task in claim.tasks:
            splits = {split.name for split in DATASETS[task.dataset].splits} - set(task.recipes)
            named = splits & set(claim.names)
            assert not named or task.split in named


def test_published_recipes_are_all_on_the_page() -> None:
    """Whoever adds the reading of another publication says here where it differs."""
    ours = {"standard", "standard-10", "quick", "embeddings", "fusion", "generate"}
    published = {name for task in TASKS for name in task.recipes} - ours
    assert published <= set(TOKEN.findall(PAGE))


def test_metrics_as_released_are_all_on_the_page_but_for_single_recalls() -> None:
    named = set(TOKEN.findall(PAGE))
    released = {metric.name for task in TASKS for metric in task.metrics if metric.as_released}
    always = {name for name in released if name.endswith("-as-released") and not re.match(r"[it]2[it]-r", name)}
    assert always and always <= named


def test_numbers_of_reported_figures_are_those_of_the_file() -> None:
    figures = [figure for task in TASKS for figure in task.reported]
    counts = [int(cell) for cell in re.findall(r"^\| [^|]+ \| (\d+) \| ", PAGE.partition("## Reported")[2], re.M)]
    assert sum(counts) == len(figures)
    assert counts[1] == sum(figure.recipe == "benchx" for figure in figures)
