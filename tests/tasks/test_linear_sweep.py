"""Heads at every strength, subsets, and the choice among candidates."""

from __future__ import annotations

import numpy as np
import pytest
from linear_toys import drawn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.preprocessing import StandardScaler

from medbench.errors import UsageError
from medbench_tasks.linear.heads import fit_heads, solve_subsets
from medbench_tasks.linear.recipe import KnnRecipe, LinearRecipe
from medbench_tasks.linear.selection import aurocs, choose_each, choose_one, log_losses

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


def test_subsets_agree_with_separate_solves_of_their_rows() -> None:
    features, truth = drawn(240, 10, 2)
    truth[::5, 1] = -1
    order = np.random.default_rng(0).permutation(240)
    subsets = [order[:12].tolist(), order[:60].tolist(), list(range(240))]
    together = solve_subsets(features, truth, subsets, RECIPE)
    for rows, heads in zip(subsets, together, strict=True):
        scaler = StandardScaler().fit(features[rows].astype(np.float64))
        for label in range(2):
            known = np.array([row for row in rows if truth[row, label] >= 0])
            model = LogisticRegression(C=0.1, tol=1e-9, max_iter=9999)
            model.fit(scaler.transform(features[known]), truth[known, label])
            wanted = model.predict_proba(scaler.transform(features))[:, 1]
            np.testing.assert_allclose(heads.sweep(features)[1, :, label], wanted, atol=1e-3)


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


def test_equally_good_candidates_yield_to_the_first() -> None:
    truth = np.array([[0], [1], [1]], np.int8)
    scores = np.array([[[0.6], [0.5], [0.7]], [[0.1], [0.5], [0.6]], [[0.1], [0.8], [0.9]]])
    assert choose_each(truth, scores).index.tolist() == [1]
    assert choose_one(truth, scores).index.tolist() == [1]


def test_one_answer_in_validation_falls_back_to_the_loss_and_says_so() -> None:
    truth = np.array([[1, 0, -1], [1, 1, -1]], np.int8)
    scores = np.array([[[0.6, 0.4, 0.5]] * 2, [[0.9, 0.5, 0.5]] * 2, [[0.7, 0.1, 0.5]] * 2])
    scores[2, 1, 1] = 0.2
    choice = choose_each(truth, scores)
    assert choice.index.tolist() == [1, 2, 1]
    assert (choice.by_loss, choice.blind) == (1, 1)
    together = choose_one(truth[:, :1], scores[:, :, :1])
    assert (together.index.tolist(), together.by_loss, together.blind) == ([1], 1, 0)
    assert choose_one(truth[:, 2:], scores[:, :, 2:]).blind == 1


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
