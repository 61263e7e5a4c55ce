"""Which trials of a plan share their features, and what those ahead will ask of the encoder."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from medbench.beside import with_neighbours
from medbench.errors import MissingDataError
from medbench.foresight import foreseen_needs
from medbench.plan import PlannedTrial
from medbench.protocols import TrialContext
from medbench.registry import Registry
from medbench.selection import select_methods
from medbench.trials import Trial
from tests.core.feature_toys import Phases


@pytest.fixture
def tasks(registry: Registry):
    """The toy's task under several names, one of them on data of its own."""
    task = registry.task("toy-bright")
    places = {
        "toy-bright": task.dataset,
        "one": task.dataset,
        "two": task.dataset,
        "broken": task.dataset,
        "far": "elsewhere",
    }
    return {name: dataclasses.replace(task, id=name, dataset=place) for name, place in places.items()}


@pytest.fixture
def plan(registry: Registry, tasks, tmp_path):
    """Plan some trials of the toy, each by its task, fraction and seed."""

    def planned(*trials, **how):
        found = []
        for task, fraction, seed in trials:
            (choice,) = select_methods("toy@plain", registry, tmp_path)
            trial = Trial(choice, tasks[task], "standard", tasks[task].recipe("standard"), {}, fraction, seed)
            found.append(PlannedTrial(trial=trial, state="ready", **how))
        return found

    return planned


def shown(planned):
    return [(one.task, one.fraction, one.seed) for one in planned.beside]


def test_trials_on_the_same_data_share_and_the_whole_training_part_stands_for_its_fractions(plan):
    trials = plan(
        ("one", 0.1, 0),
        ("one", 1.0, 0),
        ("two", 0.1, 0),
        ("two", 0.5, 0),
        ("far", 1.0, 0),
    )
    first, *_, last = with_neighbours(trials)
    assert shown(first) == [("one", 1.0, 0), ("two", 0.1, 0), ("two", 0.5, 0)]
    assert last.beside == ()


def test_other_weights_share_nothing(plan):
    trials = plan(("one", 1.0, 0), checkpoint="a") + plan(("two", 1.0, 0), checkpoint="b")
    assert all(not one.beside for one in with_neighbours(trials))


def test_a_trial_that_is_not_ready_is_nobodys_neighbour(plan):
    ready, done = plan(("one", 1.0, 0), ("two", 1.0, 0))
    trials = with_neighbours([ready, dataclasses.replace(done, state="done")])
    assert all(not one.beside for one in trials)


class Tells:
    """A protocol that foresees its task's name, or breaks as it is told."""

    def foreseen(self, context):
        if context.task.id == "two":
            raise MissingDataError("no labels")
        if context.task.id == "broken":
            raise ZeroDivisionError
        yield (context.task.id, context.seed, context.test)


def test_needs_are_asked_of_each_trial_and_a_broken_one_costs_no_other(plan, tasks, monkeypatch, tmp_path):
    trials = with_neighbours(plan(*((name, 1.0, 3) for name in ("toy-bright", "two", "broken", "one"))))
    monkeypatch.setattr("medbench.foresight.resolve", lambda loader, what: Tells())
    own = trials[0].trial
    context = TrialContext(
        task=own.task,
        recipe=own.recipe,
        features=None,
        dataset=None,
        train=None,
        valid=None,
        test="own part",
        seed=3,
        compute=None,
        work_dir=tmp_path,
        progress=Phases(),
    )
    parts = SimpleNamespace(dataset=None, train=None, valid=None, test="part of another task")
    needs = list(foreseen_needs(trials[0], context, SimpleNamespace(task=tasks.get), lambda trial: parts))
    assert needs == [("toy-bright", 3, "own part"), ("one", 3, "part of another task")]
    assert context.progress.names == ["task 'broken' does not foresee its features (ZeroDivisionError)"]
