"""The linear probe as a trial runs it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from linear_toys import DrawnFeatures, context_of, drawn

from medbench.errors import MissingDataError, TrialError, UsageError
from medbench.loading import resolve
from medbench.protocols import TrialContext
from medbench.specs import Recipe, Target
from medbench_tasks.classification.predictions import read_predictions
from medbench_tasks.linear.protocol import PROTOCOL
from medbench_tasks.linear.recipe import LinearRecipe

RECIPE = LinearRecipe(c_values=(1e-4, 1e-2, 1.0, 1e2))
MANY = Target(kind="multi-label")
ONE = Target(kind="multi-class")


def test_a_probe_learns_labels_and_beats_its_floors(tmp_path: Path) -> None:
    features, truth = drawn(400, 10, 3)
    context = context_of(tmp_path, RECIPE, features, truth, target=MANY)
    outcome = PROTOCOL.run(context)
    values = PROTOCOL.score(context.task, RECIPE, outcome.predictions)
    floor = PROTOCOL.score(context.task, RECIPE, outcome.floors["constant"])
    assert values["auroc"].value is not None and values["auroc"].value > 0.85
    assert values["auroc"].low is not None and values["auroc"].low > 0.7
    assert floor["auroc"].value == 0.5
    assert outcome.notes["train_images"] == 200
    assert outcome.notes["problems_not_converged"] == 0
    assert 1e-4 <= outcome.notes["c_min"] <= outcome.notes["c_geometric_mean"] <= outcome.notes["c_max"] <= 1e2


def test_several_classes_are_answered_with_one_strength(tmp_path: Path) -> None:
    features, _ = drawn(400, 10, 1)
    scores = (features - features.mean(0)) @ np.random.default_rng(0).normal(size=(10, 3))
    truth = np.eye(3, dtype=np.int8)[scores.argmax(1)]
    context = context_of(tmp_path, RECIPE, features, truth, target=ONE)
    outcome = PROTOCOL.run(context)
    values = PROTOCOL.score(context.task, RECIPE, outcome.predictions)
    assert values["accuracy"].value is not None and values["accuracy"].value > 0.75
    np.testing.assert_allclose(read_predictions(outcome.predictions).scores.sum(1), 1, atol=1e-9)
    assert outcome.notes["c_min"] == outcome.notes["c_max"]


def test_two_runs_are_equal_to_the_last_bit(tmp_path: Path) -> None:
    features, truth = drawn(200, 10, 2)
    context = context_of(tmp_path, RECIPE, features, truth, target=MANY)
    assert PROTOCOL.run(context).predictions.equals(PROTOCOL.run(context).predictions)


def test_unknown_labels_are_left_out_of_training_and_samples_without_any_out_of_all(tmp_path: Path) -> None:
    features, truth = drawn(200, 10, 2)
    truth[::4, 0] = -1
    truth[1::20] = -1
    context = context_of(tmp_path, RECIPE, features, truth, target=MANY)
    outcome = PROTOCOL.run(context)
    assert outcome.notes["train_images"] == 95
    assert outcome.predictions.num_rows == 48
    flipped = truth.copy()  # blank read as absent is another task
    absent = replace(RECIPE, blank="absent")
    everything = PROTOCOL.run(context_of(tmp_path, absent, features, flipped, target=MANY))
    assert everything.notes["train_images"] == 100


def test_a_label_of_one_answer_gives_a_constant_and_is_noted(tmp_path: Path) -> None:
    features, truth = drawn(200, 10, 3)
    truth[:100, 0] = 0  # training never shows it
    truth[100:150, 1] = 1  # validation always
    context = context_of(tmp_path, RECIPE, features, truth, target=MANY)
    outcome = PROTOCOL.run(context)
    assert not read_predictions(outcome.predictions).scores[:, 0].any()
    assert outcome.notes["labels_with_one_answer_in_train"] == 1
    assert outcome.notes["labels_chosen_by_loss"] == 1


def test_a_class_without_training_samples_is_never_answered(tmp_path: Path) -> None:
    features, scores = drawn(200, 10, 2)
    classes = scores.sum(1)
    classes[:100][classes[:100] == 2] = 1
    context = context_of(tmp_path, RECIPE, features, np.eye(3, dtype=np.int8)[classes], target=ONE)
    outcome = PROTOCOL.run(context)
    assert not read_predictions(outcome.predictions).scores[:, 2].any()
    assert outcome.notes["labels_with_one_answer_in_train"] == 1


def test_two_training_samples_are_enough_to_go_on(tmp_path: Path) -> None:
    features, truth = drawn(80, 10, 2)
    truth[:2] = [[0, 1], [1, 1]]
    context = context_of(tmp_path, RECIPE, features, truth, target=MANY)
    outcome = PROTOCOL.run(replace(context, train=context.train.take([0, 1])))
    assert outcome.notes["train_images"] == 2
    assert np.isfinite(read_predictions(outcome.predictions).scores).all()


def test_parts_without_labels_tasks_without_target_and_broken_features_are_refused(tmp_path: Path) -> None:
    features, truth = drawn(80, 10, 1)
    blank = truth.copy()
    blank[40:60] = -1
    with pytest.raises(MissingDataError):
        PROTOCOL.run(context_of(tmp_path, RECIPE, features, blank, target=MANY))
    context = context_of(tmp_path, RECIPE, features, truth, target=MANY)
    with pytest.raises(UsageError, match="target"):
        PROTOCOL.run(replace(context, task=replace(context.task, target=None)))
    features[3, 3] = np.nan
    with pytest.raises(TrialError, match="not finite"):
        PROTOCOL.run(context_of(tmp_path, RECIPE, features, truth, target=MANY))


def test_a_recipe_that_trains_over_images_goes_to_fine_tuning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Recorder:
        def run(self, context: TrialContext) -> str:
            return f"fine-tuned {type(context.recipe).__name__}"

    monkeypatch.setattr("medbench_tasks.finetuning.protocol.PROTOCOL", Recorder())
    context = context_of(tmp_path, RECIPE, *drawn(40, 3, 1), target=MANY)
    assert PROTOCOL.run(replace(context, recipe=Recipe())) == "fine-tuned Recipe"  # type: ignore[comparison-overlap]


def test_recipes_are_imported_without_numerical_libraries() -> None:
    code = (
        "import sys; import medbench_tasks.linear.recipe;"
        "print(sorted({'numpy', 'torch', 'sklearn', 'pyarrow'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_loader_string_gives_the_protocol(tmp_path: Path) -> None:
    context = context_of(tmp_path, RECIPE, *drawn(40, 3, 1), target=MANY)
    assert resolve(context.task.loader, "test") is PROTOCOL
    assert isinstance(context.features, DrawnFeatures)
