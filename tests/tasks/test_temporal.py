"""The temporal protocols: what they learn, how they divide, and what they say where there is nothing to learn."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from temporal_toys import FINDINGS, KnownFeatures, context_of, image_task, pair_manifest

from medbench.errors import TrialError, UsageError
from medbench.protocols import Analysis
from medbench.specs import Recipe, Target
from medbench.statistics import REPLICATES
from medbench_tasks.temporal.folds import grouped_folds, released_folds
from medbench_tasks.temporal.image import PROTOCOL
from medbench_tasks.temporal.pair_predictions import read_pairs
from medbench_tasks.temporal.pairs import pair_features
from medbench_tasks.temporal.recipe import (
    IMAGE_METRICS,
    RELEASED_PAIRS,
    STANDARD_PAIRS,
    STANDARD_PAIRS_10,
    PairRecipe,
    SentenceRecipe,
)

RNG = np.random.default_rng(0)
PAIRS = 60
LABELS = np.where(RNG.random((PAIRS, 5)) < 0.8, RNG.integers(0, 3, (PAIRS, 5)), -1)
PATIENTS = [f"s{index // 2}" for index in range(PAIRS)]
NAMES = [metric.name for metric in IMAGE_METRICS]


def _told(labels: np.ndarray, noise: float = 0.0) -> KnownFeatures:
    """Features that tell each finding's class by one coordinate each, and previous images that tell nothing."""
    codes = np.eye(3)[np.maximum(labels, 0)].reshape(len(labels), -1)
    rng = np.random.default_rng(1)
    current = 3 * codes + noise * rng.standard_normal(codes.shape)
    previous = rng.standard_normal(codes.shape)
    return KnownFeatures({"image": current.astype(np.float32), "previous": previous.astype(np.float32)})


def _run(labels: np.ndarray = LABELS, recipe: PairRecipe = STANDARD_PAIRS, seed: int = 0, noise: float = 0.0):
    patients = PATIENTS[: len(labels)]
    context = context_of(_told(labels, noise), pair_manifest(labels, patients), recipe, seed)
    return context, PROTOCOL.run(context)


def _scores(labels: np.ndarray, recipe: PairRecipe = STANDARD_PAIRS):
    context, outcome = _run(labels, recipe)
    return PROTOCOL.score(context.task, recipe, outcome.predictions)


@pytest.mark.parametrize("recipe", [STANDARD_PAIRS, RELEASED_PAIRS, STANDARD_PAIRS_10])
def test_what_features_tell_is_learnt_beyond_the_majority(recipe: PairRecipe) -> None:
    context, outcome = _run(recipe=recipe)
    learnt = PROTOCOL.score(context.task, recipe, outcome.predictions)
    floor = PROTOCOL.score(context.task, recipe, outcome.floors["majority"])
    assert list(learnt) == NAMES
    for name in NAMES:
        assert learnt[name].value > 0.9
        assert floor[name].value < 0.6
        assert learnt[name].low <= learnt[name].value <= learnt[name].high + 1e-4  # the released one is rounded
    assert floor["balanced-accuracy"].value == pytest.approx(1 / 3, abs=0.12)
    assert learnt["accuracy"].n == PAIRS


def test_scores_follow_from_the_table_by_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, balanced_accuracy_score

    context, outcome = _run(noise=2.5)
    scores = PROTOCOL.score(context.task, STANDARD_PAIRS, outcome.predictions)
    table = read_pairs(outcome.predictions)
    pairs = [(table.truth[m, k], table.predicted[m, k]) for k in range(5) for m in [table.truth[:, k] >= 0]]
    balanced = [balanced_accuracy_score(truth, predicted) for truth, predicted in pairs]
    assert 0.4 < np.mean(balanced) < 0.95
    assert scores["balanced-accuracy"].value == pytest.approx(np.mean(balanced))
    assert scores["accuracy"].value == pytest.approx(np.mean([accuracy_score(*pair) for pair in pairs]))


def test_by_patient_no_patient_stands_in_two_folds_and_as_released_some_do() -> None:
    def shared(recipe: PairRecipe) -> int:
        table = read_pairs(_run(recipe=recipe)[1].predictions)
        folds: dict[str, set[int]] = {}
        for patient, fold in zip(table.patient_ids, table.folds[:, 0], strict=True):
            folds.setdefault(patient, set()).update({int(fold)} - {-1})
        return sum(len(found) > 1 for found in folds.values())

    assert shared(STANDARD_PAIRS) == 0
    assert shared(RELEASED_PAIRS) > 0


def test_every_labelled_pair_is_answered_once_and_no_other() -> None:
    for recipe in (STANDARD_PAIRS, RELEASED_PAIRS):
        table = read_pairs(_run(recipe=recipe)[1].predictions)
        assert ((table.predicted >= 0) == (LABELS >= 0)).all()
        assert ((table.folds >= 0) == (LABELS >= 0)).all()
        assert set(np.unique(table.folds)) == {-1, 0, 1, 2, 3, 4}


def test_a_seed_repeats_itself_and_another_divides_otherwise() -> None:
    for recipe in (STANDARD_PAIRS, RELEASED_PAIRS):
        first, again, other = (_run(recipe=recipe, seed=seed)[1].predictions for seed in (1, 1, 2))
        assert first.equals(again)
        assert first.column("folds") != other.column("folds")


def test_what_is_trained_on_is_never_what_is_answered() -> None:
    for folds in (grouped_folds(LABELS[:, 0], PATIENTS, 5, 0), released_folds(LABELS[:, 0], 5, 0)):
        assert folds is not None
        known = set(np.flatnonzero(LABELS[:, 0] >= 0))
        for fold in folds:
            assert not set(fold.train) & set(fold.test)
            assert set(fold.train) | set(fold.test) == known


def test_an_uncertain_label_is_no_label() -> None:
    labels = LABELS.copy()
    labels[:7, 0] = -2
    table = read_pairs(_run(labels)[1].predictions)
    assert (table.truth[:7, 0] == -1).all()
    assert (table.predicted[:7, 0] == -1).all()


def test_a_finding_of_one_class_or_none_is_left_out_and_said() -> None:
    labels = LABELS.copy()
    labels[:, 1] = 2
    labels[:, 2] = -1
    labels[4:, 3] = -1
    scores = _scores(labels)
    note = scores["balanced-accuracy"].note
    assert note.startswith("without Edema: one class only; Pleural effusion: no pair is labelled; Pneumonia: too few")
    rest = labels.copy()
    rest[:, 1:4] = -1
    assert scores["accuracy"].value == _scores(rest)["accuracy"].value


def test_where_nothing_can_be_divided_metrics_are_none_with_the_reason() -> None:
    context, outcome = _run(LABELS[:4])
    for name, score in PROTOCOL.score(context.task, STANDARD_PAIRS, outcome.predictions).items():
        assert (name, score.value) in {(one, None) for one in NAMES}
        assert "Edema: " in score.note
    replicates = PROTOCOL.replicates(context.task, STANDARD_PAIRS, outcome.predictions)
    assert all(np.isnan(values).all() for values in replicates.values())
    groups = PROTOCOL.groups(context.task, STANDARD_PAIRS, outcome.predictions)
    assert all(group.value.value is None and group.value.note for group in groups)


def test_fewer_patients_than_folds_cannot_be_divided_by_patient() -> None:
    truth = np.arange(40) % 3
    assert grouped_folds(truth, ["a", "b", "c", "d"] * 10, 5, 0) is None
    assert released_folds(truth, 5, 0) is not None


def test_a_class_rarer_than_folds_is_still_classified() -> None:
    labels = LABELS.copy()
    labels[:, 0] = np.where(np.arange(PAIRS) < 2, 0, 1 + np.arange(PAIRS) % 2)
    scores = _scores(labels)
    assert scores["balanced-accuracy"].note == ""
    assert scores["balanced-accuracy"].value > 0.8


def test_a_training_fold_of_one_class_answers_that_class() -> None:
    labels = np.full((10, 5), -1)
    labels[:, 0] = 1
    labels[0, 0] = 2  # the fold that holds it trains on class 1 alone
    table = read_pairs(_run(labels)[1].predictions)
    assert table.predicted[0, 0] == 1


def test_features_that_are_not_finite_fail_the_trial() -> None:
    features = _told(LABELS)
    features.encode(pair_manifest(LABELS), image="previous")[3, 0] = np.nan
    with pytest.raises(TrialError, match="1 of 60 samples are not finite"):
        PROTOCOL.run(context_of(features, pair_manifest(LABELS), STANDARD_PAIRS))


def test_features_are_current_then_previous_of_unit_length_in_the_joint_space_if_there_is_one() -> None:
    images = {"image": np.array([[3.0, 4.0, 0.0]], np.float32), "previous": np.array([[0.0, 2.0, 2.0]], np.float32)}
    manifest = pair_manifest(LABELS[:1])
    root = np.sqrt(0.5)
    np.testing.assert_allclose(
        pair_features(KnownFeatures(images), manifest), [[0.6, 0.8, 0, 0, root, root]], rtol=1e-6
    )
    joint = pair_features(KnownFeatures(images, joint=True), manifest)
    np.testing.assert_allclose(joint, [[0.6, 0.8, 0, 1]], rtol=1e-6)


def test_groups_are_by_finding_and_average_to_the_score() -> None:
    context, outcome = _run(noise=2.5)
    assert isinstance(PROTOCOL, Analysis)
    groups = PROTOCOL.groups(context.task, STANDARD_PAIRS, outcome.predictions)
    assert [(one.group, one.metric) for one in groups] == [(finding, name) for finding in FINDINGS for name in NAMES]
    scores = PROTOCOL.score(context.task, STANDARD_PAIRS, outcome.predictions)
    for name in NAMES:
        values = [one.value.value for one in groups if one.metric == name]
        assert scores[name].value == pytest.approx(np.mean(values))
    assert PROTOCOL.reliability(context.task, STANDARD_PAIRS, outcome.predictions) == ()


def test_replicates_spread_around_the_score_over_patients() -> None:
    context, outcome = _run(noise=2.5)
    replicates = PROTOCOL.replicates(context.task, STANDARD_PAIRS, outcome.predictions)
    scores = PROTOCOL.score(context.task, STANDARD_PAIRS, outcome.predictions)
    for name in NAMES:
        assert replicates[name].shape == (REPLICATES,)
        assert replicates[name].mean() == pytest.approx(scores[name].value, abs=0.02)
        assert replicates[name].std() > 0.005
        assert (scores[name].low, scores[name].high) == pytest.approx(np.quantile(replicates[name], [0.025, 0.975]))


def test_a_replicate_without_a_rare_class_is_undefined_and_not_better() -> None:
    labels = np.full((PAIRS, 5), -1)
    labels[:, 0] = np.where(np.arange(PAIRS) < 2, 1, 2 * (np.arange(PAIRS) % 2))  # class 1 is of one patient
    context, outcome = _run(labels)
    floor = outcome.floors["majority"]
    balanced = PROTOCOL.replicates(context.task, STANDARD_PAIRS, floor)["balanced-accuracy"]
    assert 0.2 < np.isnan(balanced).mean() < 0.5  # (1 - 1 / 30) ** 30 = 0.36 of the draws lack that patient
    assert PROTOCOL.score(context.task, STANDARD_PAIRS, floor)["balanced-accuracy"].high < 0.4


def test_a_target_chooses_the_findings_and_one_that_is_not_labelled_is_an_error() -> None:
    manifest = pair_manifest(LABELS, PATIENTS)
    chosen = replace(image_task(), target=Target(kind="multi-label", labels=("Pneumonia",)))
    outcome = PROTOCOL.run(context_of(_told(LABELS), manifest, STANDARD_PAIRS, task=chosen))
    assert read_pairs(outcome.predictions).findings == ("Pneumonia",)
    unknown = replace(chosen, target=Target(kind="multi-label", labels=("Hernia",)))
    with pytest.raises(UsageError, match="asks for 'Hernia'"):
        PROTOCOL.run(context_of(_told(LABELS), manifest, STANDARD_PAIRS, task=unknown))


def test_recipes_that_make_no_sense_are_refused() -> None:
    for fields in ({"folds": 7}, {"division": "random"}, {"cost": 0.0}):
        with pytest.raises(UsageError, match=f"recipe field {next(iter(fields))}"):
            PairRecipe(**fields)
    with pytest.raises(UsageError, match="recipe field folds"):
        SentenceRecipe(folds=1)
    with pytest.raises(UsageError, match="not a PairRecipe"):
        PROTOCOL.run(context_of(_told(LABELS), pair_manifest(LABELS), Recipe()))


def test_recipes_and_protocols_load_without_numpy() -> None:
    code = (
        "import sys, medbench_tasks.temporal.recipe, medbench_tasks.temporal.image, medbench_tasks.temporal.sentences;"
        "print([name for name in ('numpy', 'torch', 'sklearn', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
