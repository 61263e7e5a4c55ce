"""The zero-shot protocol end to end on drawn images, by prompts and by queries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from zeroshot_toys import Asked, Both, Reader, context_of, manifest_of

from medbench.errors import TrialError, UsageError
from medbench.manifest import Manifest
from medbench.protocols import Analysis, TrialOutcome
from medbench.specs import Target, TaskSpec
from medbench_tasks.classification.predictions import read_predictions
from medbench_tasks.zeroshot.protocol import PROTOCOL
from medbench_tasks.zeroshot.recipe import (
    METRICS_MULTI_CLASS,
    METRICS_MULTI_LABEL,
    STANDARD_ZEROSHOT,
    ZeroShotRecipe,
)

ANSWERS = [0, 1, 1, 0, 0, 1, 0, 0]


def task_of(target: Target | None) -> TaskSpec:
    multi_class = target is not None and target.kind == "multi-class"
    return TaskSpec(
        id="toy-zeroshot",
        title="Toy",
        dataset="toy",
        split="main",
        protocol="zero-shot",
        capabilities=frozenset({"ImageEncoder", "TextEncoder"}),
        alternatives=(frozenset({"QueryClassifier"}),),
        metrics=METRICS_MULTI_CLASS if multi_class else METRICS_MULTI_LABEL,
        recipes={"standard": STANDARD_ZEROSHOT},
        loader="medbench_tasks.zeroshot.protocol:PROTOCOL",
        target=target,
    )


BINARY = Target(kind="multi-label", labels=("Bright",))
EXCLUSIVE = Target(kind="multi-class", labels=("Bright", "Dark"))


def parts_of(folder: Path, labels: tuple[str, ...] = ("Bright",)) -> tuple[Manifest, Manifest, Manifest]:
    train = manifest_of(folder / "data", [1, 0, 0, 0], labels=labels, prefix="train")
    valid = manifest_of(folder / "data", [1, 0, 1, -1], labels=labels, prefix="valid")
    test = manifest_of(folder / "data", [*ANSWERS, -1], labels=labels, prefix="test")
    return train, valid, test


def run(
    folder: Path,
    model: nn.Module,
    recipe: ZeroShotRecipe = STANDARD_ZEROSHOT,
    target: Target | None = BINARY,
    parts: tuple[Manifest, Manifest, Manifest] | None = None,
) -> TrialOutcome:
    labels = target.labels if target else ("Bright",)
    return PROTOCOL.run(context_of(folder, model, task_of(target), recipe, parts or parts_of(folder, labels)))


@pytest.mark.parametrize("ensemble", ["mean-then-normalise", "normalise-then-mean", "max"])
def test_prompts_tell_what_they_describe(tmp_path: Path, ensemble: str) -> None:
    outcome = run(tmp_path, Reader(), replace(STANDARD_ZEROSHOT, ensemble=ensemble))
    values = PROTOCOL.score(task_of(BINARY), STANDARD_ZEROSHOT, outcome.predictions)
    assert values["auroc"].value == values["f1"].value == values["balanced-accuracy"].value == 1
    assert values["ece"].value is None, "differences are no probabilities"
    assert outcome.notes["test_unlabelled"] == 1
    assert outcome.notes["thresholds_from_validation"] == 1


def test_the_standard_thresholds_part_the_validation_scores(tmp_path: Path) -> None:
    outcome = run(tmp_path, Reader())
    fixed = run(tmp_path, Reader(), replace(STANDARD_ZEROSHOT, thresholds="fixed"))
    assert read_predictions(fixed.predictions).thresholds.tolist() == [0.0]
    assert read_predictions(outcome.predictions).thresholds[0] != 0
    np.testing.assert_array_equal(
        read_predictions(fixed.predictions).scores, read_predictions(outcome.predictions).scores
    )


def test_the_validation_part_is_encoded_only_where_it_decides(tmp_path: Path) -> None:
    fixed, chosen = Reader(), Reader()
    run(tmp_path / "a", fixed, replace(STANDARD_ZEROSHOT, thresholds="fixed"))
    run(tmp_path / "b", chosen)
    assert (fixed.seen, chosen.seen) == (8, 8 + 3)


def test_without_a_train_or_validation_part_the_fixed_decision_stands(tmp_path: Path) -> None:
    train, valid, test = parts_of(tmp_path)
    outcome = run(tmp_path, Reader(), parts=(train.take([]), valid.take([]), test))
    assert read_predictions(outcome.predictions).thresholds.tolist() == [0.0]
    assert outcome.notes["thresholds_from_validation"] == 0
    constant = read_predictions(outcome.floors["constant"])
    assert set(constant.scores.ravel()) == {0.5}


def test_a_validation_part_of_one_class_decides_nothing(tmp_path: Path) -> None:
    train, valid, test = parts_of(tmp_path)
    outcome = run(tmp_path, Reader(), parts=(train, valid.take([1]), test))
    assert read_predictions(outcome.predictions).thresholds.tolist() == [0.0]


def test_the_constant_floor_is_the_prevalence_in_training(tmp_path: Path) -> None:
    constant = read_predictions(run(tmp_path, Reader()).floors["constant"])
    assert set(constant.scores.ravel()) == {0.25}


def test_exclusive_classes_share_probability(tmp_path: Path) -> None:
    outcome = run(tmp_path, Reader(), target=EXCLUSIVE)
    predictions = read_predictions(outcome.predictions)
    np.testing.assert_allclose(predictions.scores.sum(axis=1), 1)
    values = PROTOCOL.score(task_of(EXCLUSIVE), STANDARD_ZEROSHOT, outcome.predictions)
    assert values["accuracy"].value == 1
    assert values["ece"].value is not None


def test_without_a_target_the_labels_tell_whether_they_exclude_each_other(tmp_path: Path) -> None:
    two, one = parts_of(tmp_path, ("Bright", "Dark")), parts_of(tmp_path)
    assert read_predictions(run(tmp_path, Reader(), target=None, parts=two).predictions).target == EXCLUSIVE
    assert read_predictions(run(tmp_path, Reader(), target=None, parts=one).predictions).target == BINARY


def test_queries_tell_what_they_are_asked(tmp_path: Path) -> None:
    outcome = run(tmp_path, Asked(), replace(STANDARD_ZEROSHOT, thresholds="fixed"))
    predictions = read_predictions(outcome.predictions)
    assert predictions.probabilities
    assert predictions.thresholds.tolist() == [0.5]
    assert PROTOCOL.score(task_of(BINARY), STANDARD_ZEROSHOT, outcome.predictions)["accuracy"].value == 1


def test_queries_of_exclusive_classes_share_probability(tmp_path: Path) -> None:
    predictions = read_predictions(run(tmp_path, Asked(), target=EXCLUSIVE).predictions)
    np.testing.assert_allclose(predictions.scores.sum(axis=1), 1)


def test_equalising_changes_what_is_queried_and_not_what_is_prompted(tmp_path: Path) -> None:
    parts = parts_of(tmp_path)

    def scores(by: str, equalise: bool) -> np.ndarray:
        recipe = replace(STANDARD_ZEROSHOT, by=by, equalise=equalise)
        return read_predictions(run(tmp_path / f"{by}{equalise}", Both(), recipe, parts=parts).predictions).scores

    assert not np.array_equal(scores("queries", True), scores("queries", False))
    np.testing.assert_array_equal(scores("prompts", True), scores("prompts", False))


def test_answers_in_the_cache_need_no_model(tmp_path: Path) -> None:
    recipe = replace(STANDARD_ZEROSHOT, by="queries")
    context = context_of(tmp_path, Both(), task_of(BINARY), recipe, parts_of(tmp_path))
    first = PROTOCOL.run(context)

    def load() -> None:
        raise AssertionError("the model was loaded")

    warm = replace(context, features=replace(context.features, load=load))
    assert PROTOCOL.run(warm).predictions.equals(first.predictions)


def test_queries_follow_the_texts_that_a_method_reads_and_images_do_not(tmp_path: Path) -> None:
    model = Both()
    context = context_of(tmp_path, model, task_of(BINARY), replace(STANDARD_ZEROSHOT, by="queries"), parts_of(tmp_path))
    PROTOCOL.run(context)
    other = replace(context.features, text_files="another vocabulary")
    PROTOCOL.run(replace(context, features=other))
    assert other.encoded == 8 + 3, "asked anew"
    prompted = replace(context, recipe=STANDARD_ZEROSHOT)
    PROTOCOL.run(prompted)
    seen = model.seen
    PROTOCOL.run(replace(prompted, features=replace(context.features, text_files="another vocabulary")))
    assert model.seen == seen


def test_a_method_with_both_is_prompted_unless_the_recipe_says_otherwise(tmp_path: Path) -> None:
    assert not read_predictions(run(tmp_path, Both()).predictions).probabilities
    queried = run(tmp_path, Both(), replace(STANDARD_ZEROSHOT, by="queries"))
    assert read_predictions(queried.predictions).probabilities


@pytest.mark.parametrize(
    ("model", "recipe", "target", "said"),
    [
        (Asked, {"by": "prompts"}, BINARY, "takes no prompts"),
        (Reader, {"by": "queries"}, BINARY, "takes no queries"),
        (Asked, {}, Target(kind="multi-label", labels=("Hernia",)), "unknown finding 'hernia' - known: bright, dark"),
        (Reader, {"prompts": "biovil-rsna"}, BINARY, "have none for 'bright'"),
        (
            Reader,
            {"prompts": "chexpert-5x200"},
            Target(kind="multi-label", labels=("Edema",)),
            "do not say what an absent label looks like",
        ),
    ],
)
def test_what_cannot_be_asked_is_said(
    tmp_path: Path, model: type[nn.Module], recipe: dict[str, str], target: Target, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        run(tmp_path, model(), replace(STANDARD_ZEROSHOT, **recipe), target)


def test_scores_that_are_not_finite_fail_the_trial(tmp_path: Path) -> None:
    class Broken(Reader):
        def project_images(self, features: Tensor) -> Tensor:
            return super().project_images(features) * torch.nan

    with pytest.raises(TrialError, match="the score of sample 'test0' for 'Bright' is nan"):
        run(tmp_path, Broken(), replace(STANDARD_ZEROSHOT, thresholds="fixed"))


def test_answers_of_another_shape_fail_the_trial(tmp_path: Path) -> None:
    class Short(Asked):
        def classify(self, images: Tensor, findings: list[str]) -> Tensor:
            return super().classify(images, findings).repeat(1, 2)

    with pytest.raises(TrialError, match=r"answers have shape \(8, 2\), not \(8, 1\)"):
        run(tmp_path, Short(), replace(STANDARD_ZEROSHOT, thresholds="fixed"))


def test_a_recipe_of_another_protocol_is_refused(tmp_path: Path) -> None:
    from medbench.specs import Recipe

    with pytest.raises(UsageError, match="gives Recipe, not a ZeroShotRecipe"):
        PROTOCOL.run(context_of(tmp_path, Reader(), task_of(BINARY), Recipe(), parts_of(tmp_path)))


def test_what_tables_and_plots_ask_for_is_there() -> None:
    assert isinstance(PROTOCOL, Analysis)
