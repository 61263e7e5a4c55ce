"""Fine-tuning end to end on tiny nets: it learns, repeats, survives a kill, leaves frozen encoders alone, masks labels."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from finetuning_toys import CONSTANT, TOY, GrownEncoder, TinyImageEncoder, context_of, labelled_images, random_labels

from medbench.errors import MissingDataError, PluginError, UsageError
from medbench.protocols import TrialOutcome
from medbench.specs import Recipe, Target
from medbench_tasks.classification.predictions import read_predictions
from medbench_tasks.finetuning import validation
from medbench_tasks.finetuning.protocol import PROTOCOL
from medbench_tasks.finetuning.recipe import MGCA_LINEAR, FineTuningRecipe

QUICK_MGCA = replace(MGCA_LINEAR, epochs=2, batch_size=8, lr=0.05)


def scores_of(outcome: TrialOutcome) -> list[list[float]]:
    return outcome.predictions.column("scores").to_pylist()


def test_a_head_and_its_encoder_learn_what_the_images_show(tmp_path: Path) -> None:
    context = context_of(tmp_path, replace(TOY, epochs=25, lr=0.05, encoder_lr=1.0, augment="none"))
    outcome = PROTOCOL.run(context)
    metrics = PROTOCOL.score(context.task, context.recipe, outcome.predictions)
    assert metrics["auroc"].value is not None
    assert metrics["auroc"].value > 0.95
    assert set(outcome.floors) >= {"constant"}
    assert outcome.notes["train_images"] == 24
    assert outcome.notes["images_per_second"] > 0
    assert context.progress.steps["train"] == outcome.notes["epochs"]


def test_one_class_of_several_is_answered_with_probabilities_that_sum_to_one(tmp_path: Path) -> None:
    names = ("a", "b", "c")
    one_hot = [[int(column == row % 3) for column in range(3)] for row in range(18)]
    train = labelled_images(tmp_path / "train", one_hot, names, seed=7)
    context = context_of(tmp_path, target=Target(kind="auto"), train=train, names=names)
    context = replace(context, dataset=train, valid=train, test=train)
    outcome = PROTOCOL.run(context)
    found = read_predictions(outcome.predictions)
    assert found.multi_class
    assert found.scores.sum(axis=1) == pytest.approx([1.0] * 18)


@pytest.mark.parametrize("recipe", [TOY, QUICK_MGCA, replace(TOY, **CONSTANT)], ids=["trained", "mgca", "constant"])
def test_the_same_seed_gives_the_same_scores_and_another_does_not(tmp_path: Path, recipe: FineTuningRecipe) -> None:
    runs = [
        PROTOCOL.run(context_of(tmp_path / name, recipe, seed=seed)) for name, seed in (("a", 3), ("b", 3), ("c", 4))
    ]
    assert scores_of(runs[0]) == scores_of(runs[1])
    assert scores_of(runs[0]) != scores_of(runs[2])


class KilledError(RuntimeError):
    """Stands for a kill in the middle of a training."""


def test_a_killed_training_goes_on_to_the_same_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(TOY, epochs=4)
    whole = PROTOCOL.run(context_of(tmp_path / "whole", recipe))
    monkeypatch.setattr("medbench_tasks.training.fit.__kwdefaults__", {"save_seconds": 0.0})
    real, calls = validation.score_of, []

    def third_time_killed(*args: object) -> float:
        calls.append(args)
        if len(calls) == 3:
            raise KilledError
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(validation, "score_of", third_time_killed)
    with pytest.raises(KilledError):
        PROTOCOL.run(context_of(tmp_path / "killed", recipe))
    again = context_of(tmp_path / "killed", recipe)
    resumed = PROTOCOL.run(again)
    assert len(calls) == 3 + 2, "two epochs were left to do"
    assert [phase for phase, _ in again.progress.phases if phase == "prepare"] == [], "pixels were decoded before"
    assert resumed.notes["epochs"] == 4
    torch.testing.assert_close(torch.tensor(scores_of(resumed)), torch.tensor(scores_of(whole)), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("recipe", [TOY, QUICK_MGCA, replace(TOY, **CONSTANT), replace(QUICK_MGCA, batchnorm="batch")])
def test_the_loaded_model_is_never_changed(tmp_path: Path, recipe: FineTuningRecipe) -> None:
    context = context_of(tmp_path, recipe)
    before = {name: tensor.clone() for name, tensor in context.model.state_dict().items()}
    PROTOCOL.run(context)
    after = context.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not context.model.training


def saved_best(context: object) -> dict[str, torch.Tensor]:
    best: dict[str, torch.Tensor] = torch.load(context.work_dir / "training.pth", weights_only=True)["best"]  # type: ignore[attr-defined]
    return best


def test_what_training_changes_is_kept_and_nothing_else(tmp_path: Path) -> None:
    frozen = context_of(tmp_path / "frozen", QUICK_MGCA)
    drifting = context_of(tmp_path / "drifting", replace(QUICK_MGCA, batchnorm="batch"))
    trained = context_of(tmp_path / "trained", TOY)
    for context in (frozen, drifting, trained):
        PROTOCOL.run(context)
    assert not [name for name in saved_best(frozen) if "encoder" in name]
    start = TinyImageEncoder().state_dict()
    drifted, moved = saved_best(drifting), saved_best(trained)
    assert torch.equal(drifted["encoder.conv.weight"], start["conv.weight"])
    assert not torch.equal(drifted["encoder.norm.running_mean"], start["norm.running_mean"])
    assert not torch.equal(moved["encoder.conv.weight"], start["conv.weight"])


def test_a_frozen_encoder_sees_a_validation_or_test_image_once(tmp_path: Path) -> None:
    model = TinyImageEncoder()
    PROTOCOL.run(context_of(tmp_path, QUICK_MGCA, model=model))
    assert model.encoded == 2 * 24 + 12 + 12
    PROTOCOL.run(context_of(tmp_path, replace(QUICK_MGCA, augment="none"), model=model))
    assert model.encoded == 2 * 24 + 12 + 12 + 24, "without augmentation training images too, and the others are cached"


def test_an_encoder_in_its_form_for_fine_tuning_is_asked_for_where_it_is_trained(tmp_path: Path) -> None:
    recipe = replace(TOY, lr=1e-9)
    grown, plain = context_of(tmp_path / "a", recipe, model=GrownEncoder()), context_of(tmp_path / "b", recipe)
    PROTOCOL.run(grown)
    PROTOCOL.run(plain)
    weights = saved_best(grown)["encoder.conv.weight"]
    torch.testing.assert_close(weights, TinyImageEncoder(seed=103).conv.weight.data, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(
        saved_best(plain)["encoder.conv.weight"], TinyImageEncoder().conv.weight.data, rtol=1e-5, atol=1e-7
    )


def test_samples_without_labels_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = random_labels(24, 2)
    rows[5] = [-1, -1]
    rows[6] = [-1, 1]
    train = labelled_images(tmp_path / "images", rows, ("top", "middle"))
    outcome = PROTOCOL.run(context_of(tmp_path, train=train))
    assert (outcome.notes["train_without_label"], outcome.notes["train_images"]) == (1, 23)
    nothing = labelled_images(tmp_path / "none", [[-1, -1]] * 4, ("top", "middle"), seed=9)
    with pytest.raises(MissingDataError, match="none of the 4 train samples of toy has a usable label"):
        PROTOCOL.run(context_of(tmp_path / "none", train=nothing, target=Target(kind="multi-label")))


@pytest.mark.parametrize("select", ["ranking", "auroc", "f1", "accuracy"])
def test_validation_of_one_class_selects_by_loss_and_says_so(tmp_path: Path, select: str) -> None:
    valid = labelled_images(tmp_path / "valid", [[0, 0]] * 6, ("top", "middle"), seed=8)
    outcome = PROTOCOL.run(context_of(tmp_path, replace(TOY, select=select), valid=valid))
    assert outcome.notes["selected_by_loss"] == 1
    assert math.isfinite(outcome.notes["best_validation_score"])
    half = labelled_images(tmp_path / "half", [[0, 0], [0, 1]] * 3, ("top", "middle"), seed=8)
    assert (
        PROTOCOL.run(context_of(tmp_path / "h", replace(TOY, select=select), valid=half)).notes["selected_by_loss"] == 0
    )


def test_thresholds_come_from_validation_or_are_a_half(tmp_path: Path) -> None:
    chosen = read_predictions(PROTOCOL.run(context_of(tmp_path / "a")).predictions).thresholds
    half = read_predictions(PROTOCOL.run(context_of(tmp_path / "b", replace(TOY, thresholds="half"))).predictions)
    assert (half.thresholds == 0.5).all()
    assert (chosen != 0.5).any()


def test_the_epoch_is_chosen_by_the_metric_that_ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def record(score: str, *others: object) -> float:
        asked.append(score)
        return real(score, *others)  # type: ignore[arg-type]

    real = validation.score_of
    monkeypatch.setattr(validation, "score_of", record)
    assert TOY.select == "ranking"
    labels = context_of(tmp_path / "labels", replace(TOY, epochs=1))
    PROTOCOL.run(labels)
    one_hot = [[1, 0], [0, 1]] * 6
    classes = labelled_images(tmp_path / "images", one_hot, ("top", "middle"), seed=5)
    exclusive = context_of(tmp_path / "classes", replace(TOY, epochs=1), train=classes, valid=classes)
    PROTOCOL.run(
        replace(exclusive, dataset=classes, test=classes, task=replace(exclusive.task, target=Target(kind="auto")))
    )
    assert asked == ["auroc", "accuracy"]


def test_a_training_part_of_one_class_leaves_the_target_as_the_dataset_has_it(tmp_path: Path) -> None:
    labels = context_of(tmp_path, replace(TOY, epochs=1), target=Target(kind="auto"))
    one_hot = [index for index, row in enumerate(labels.train.labels) if sum(row) == 1]
    outcome = PROTOCOL.run(replace(labels, train=labels.train.take(one_hot)))
    assert not read_predictions(outcome.predictions).multi_class


def test_bfloat16_trains_and_answers(tmp_path: Path) -> None:
    outcome = PROTOCOL.run(context_of(tmp_path, precision="bf16"))
    assert math.isfinite(outcome.notes["best_validation_score"])


def test_workers_read_what_one_process_reads(tmp_path: Path) -> None:
    recipe = replace(TOY, epochs=2)
    before = torch.multiprocessing.get_sharing_strategy()
    try:
        alone, helped = (PROTOCOL.run(context_of(tmp_path / str(n), recipe, workers=n)) for n in (0, 1))
    finally:
        torch.multiprocessing.set_sharing_strategy(before)
    assert scores_of(alone) == scores_of(helped)


def test_what_cannot_be_fine_tuned_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="task 'toy-ft' gives Recipe, not a FineTuningRecipe"):
        PROTOCOL.run(context_of(tmp_path / "recipe", Recipe()))

    class NoModule:
        preprocess, embed_dim = TinyImageEncoder.preprocess, 6

        def to(self, device: str) -> NoModule:
            return self

    with pytest.raises(PluginError, match=r"test@one .* is no torch.nn.Module that encodes images"):
        PROTOCOL.run(context_of(tmp_path / "model", model=NoModule()))


def test_the_protocol_loads_no_torch_and_its_recipes_no_numpy() -> None:
    code = (
        "import sys, medbench_tasks.finetuning.benchx; assert 'numpy' not in sys.modules;"
        "import medbench_tasks.finetuning.protocol; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
