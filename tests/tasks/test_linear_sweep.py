"""Heads at every strength, and the choice among candidates."""

from __future__ import annotations

import numpy as np
import pytest
from linear_toys import drawn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.preprocessing import StandardScaler

from medbench.errors import UsageError
from medbench_tasks.linear.heads import fit_heads
from medbench_tasks.linear.recipe import KnnRecipe, LinearRecipe
from medbench_tasks.linear.selection import aurocs, choose_each, choose_for_classes, choose_together, log_losses

RECIPE = LinearRecipe(c_values=(1e-3, 0.1, 10.0))


def test_a_sweep_standardises_by_the_training_samples_as_scikit_learn_would() -> None:
    features, truth = drawn(300, 12, 3)
    features[:, 5] = 4.0  # a constant feature changes nothing
    train, others = features[:200], features[200:]
    scaler = StandardScaler().fit(train.astype(np.float64))
    found = fit_heads(train, truth[:200], RECIPE).sweep(others)
    assert found.shape == (3, 100, 3)
    for index, strength in enumerate(RECIPE.c_values):
        for label in range(3):
            model = LogisticRegression(C=strength, tol=1e-9, max_iter=9999)
            model.fit(scaler.transform(train), truth[:200, label])
            wanted = model.predict_proba(scaler.transform(others))[:, 1]
            np.testing.assert_allclose(found[index, :, label], wanted, atol=1e-3)


def test_without_standardising_features_are_taken_as_they_are() -> None:
    features, truth = drawn(200, 6, 1)
    found = fit_heads(features, truth, LinearRecipe(c_values=(0.5,), standardise=False)).sweep(features)
    wanted = LogisticRegression(C=0.5, tol=1e-9).fit(features, truth[:, 0]).predict_proba(features)[:, 1]
    np.testing.assert_allclose(found[0, :, 0], wanted, atol=1e-3)


def test_each_label_is_answered_at_its_own_strength() -> None:
    features, truth = drawn(150, 8, 4)
    heads = fit_heads(features, truth, RECIPE)
    whole = heads.sweep(features)
    choice = np.array([2, 0, 1, 0])
    found = heads.probabilities(features, choice)
    for label, strength in enumerate(choice):
        np.testing.assert_allclose(found[:, label], whole[strength, :, label], atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_classes_sum_to_one_and_two_agree_with_the_binary_model(classes: int) -> None:
    features, scores = drawn(210, 7, 1)
    labels = (scores[:, 0] + (features[:, 1] > 0.3)) % classes
    truth = np.eye(classes, dtype=np.int8)[labels]
    truth[::7] = -1
    known = truth[:, 0] >= 0
    heads = fit_heads(features, truth, LinearRecipe(c_values=(0.1, 1.0), standardise=False), multi_class=True)
    found = heads.sweep(features)
    np.testing.assert_allclose(found.sum(2), 1, atol=1e-9)
    wanted = LogisticRegression(C=1.0, tol=1e-9, max_iter=9999).fit(features[known], labels[known])
    np.testing.assert_allclose(found[1], wanted.predict_proba(features), atol=1e-3)
    np.testing.assert_allclose(heads.probabilities(features, np.full(classes, 1)), found[1], atol=1e-6)


def test_auroc_and_loss_agree_with_scikit_learn_under_ties_and_masks() -> None:
    generator = np.random.default_rng(0)
    scores = generator.integers(1, 9, (2, 80, 2)) / 10
    truth = generator.integers(-1, 2, (80, 2)).astype(np.int8)
    for candidate in range(2):
        for label in range(2):
            known = truth[:, label] >= 0
            pair = truth[known, label], scores[candidate, known, label]
            assert aurocs(truth, scores)[candidate, label] == pytest.approx(roc_auc_score(*pair))
            assert log_losses(truth, scores)[candidate, label] == pytest.approx(log_loss(*pair))


def test_of_candidates_that_rank_alike_the_better_calibrated_is_chosen_and_of_equals_the_first() -> None:
    truth = np.array([[0], [1], [1]], np.int8)
    timid = [[0.500], [0.501], [0.501]]  # as the strongest penalty leaves them
    sound = [[0.1], [0.8], [0.9]]
    scores = np.array([[[0.6], [0.5], [0.7]], timid, sound, sound])
    assert (aurocs(truth, scores)[1:] == 1).all()
    assert choose_each(truth, scores).index.tolist() == [2]
    assert choose_together(truth, scores).index.tolist() == [2]


def test_a_better_rank_goes_before_a_lower_loss() -> None:
    truth = np.array([[0, 1], [1, 0], [1, 1]], np.int8)
    ranked = np.array([[0.500, 0.501], [0.501, 0.500], [0.501, 0.501]])
    told = np.array([[0.5, 0.9], [0.9, 0.1], [0.4, 0.9]])
    assert choose_each(truth, np.stack([told, ranked])).index.tolist() == [1, 0]
    assert choose_together(truth, np.stack([told, ranked])).index.tolist() == [1, 1]


def test_classes_are_chosen_for_by_accuracy_then_by_the_loss_of_the_true_class_then_the_first() -> None:
    truth = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, -1, -1]], np.int8)
    confident = np.array([[0.99, 0.01, 0.0], [0.01, 0.99, 0.0], [0.4, 0.3, 0.3], [1.0, 0.0, 0.0]])
    right = np.array([[0.4, 0.3, 0.3], [0.3, 0.4, 0.3], [0.3, 0.3, 0.4], [0.0, 0.0, 1.0]])
    surer = np.array([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6], [0.0, 1.0, 0.0]])
    choice = choose_for_classes(truth, np.stack([confident, right, surer, surer]))
    assert (choice.index.tolist(), choice.by_loss, choice.blind) == ([2, 2, 2], 0, 0)
    assert log_loss([0, 1, 2], confident[:3]) < log_loss([0, 1, 2], right[:3]), "the loss alone would choose otherwise"
    assert choose_for_classes(truth, np.stack([confident, right])).index.tolist() == [1, 1, 1]
    unseen = choose_for_classes(truth[3:], np.stack([confident, right, surer])[:, 3:])
    assert (unseen.index.tolist(), unseen.blind) == ([1, 1, 1], 3)


def test_one_answer_in_validation_falls_back_to_the_loss_and_says_so() -> None:
    truth = np.array([[1, 0, -1], [1, 1, -1]], np.int8)
    scores = np.array([[[0.6, 0.4, 0.5]] * 2, [[0.9, 0.5, 0.5]] * 2, [[0.7, 0.1, 0.5]] * 2])
    scores[2, 1, 1] = 0.2
    choice = choose_each(truth, scores)
    assert choice.index.tolist() == [1, 2, 1]
    assert (choice.by_loss, choice.blind) == (1, 1)
    together = choose_together(truth[:, :1], scores[:, :, :1])
    assert (together.index.tolist(), together.by_loss, together.blind) == ([1], 1, 0)
    assert choose_together(truth[:, 2:], scores[:, :, 2:]).blind == 1
    assert choose_together(truth, scores).blind == 1, "labels that validation never has are counted beside others"


@pytest.mark.parametrize(
    "values",
    [{"c_values": ()}, {"c_values": (1.0, 0.1)}, {"c_values": (0.0, 1.0)}, {"tolerance": 0.0}, {"max_iterations": 0}],
)
def test_linear_recipes_that_make_no_sense_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(values))):
        LinearRecipe(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values", [{"neighbours": (5, 5)}, {"neighbours": (0,)}, {"temperature": float("nan")}, {"blank": "perhaps"}]
)
def test_neighbour_recipes_that_make_no_sense_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(values))):
        KnnRecipe(**values)  # type: ignore[arg-type]
