"""The batched solver against scikit-learn's, problem by problem."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from medbench.errors import TrialError, UsageError
from medbench_tasks.linear.solver import Solution, SolverOptions, solve

CLOSE = 1e-3
DEFAULTS = SolverOptions()
STRENGTHS = (1e-5, 1e-2, 1.0, 1e3)


def binary(
    features: NDArray[Any],
    truth: NDArray[Any],
    strengths: tuple[float, ...] = STRENGTHS,
    weights: NDArray[Any] | None = None,
    options: SolverOptions = DEFAULTS,
) -> Solution:
    """Problem ``t * len(strengths) + s`` is column t of ``truth`` (N, T) at strength s."""
    count = truth.shape[1]
    masks = np.ones(truth.shape) if weights is None else weights
    return solve(
        torch.tensor(features, dtype=torch.float32),
        torch.tensor(truth.T, dtype=torch.float32)[:, None],
        torch.tensor(masks.T, dtype=torch.float32),
        torch.tensor(strengths).repeat(count),
        torch.arange(count).repeat_interleave(len(strengths)),
        options,
    )


def multinomial(features: NDArray[Any], classes: NDArray[Any], count: int, weights: NDArray[Any]) -> Solution:
    return solve(
        torch.tensor(features, dtype=torch.float32),
        torch.tensor(np.eye(count)[classes].T, dtype=torch.float32)[None],
        torch.tensor(weights, dtype=torch.float32)[None],
        torch.tensor(STRENGTHS),
        torch.zeros(len(STRENGTHS), dtype=torch.long),
    )


def answers(solution: Solution, features: NDArray[Any]) -> NDArray[np.float64]:
    """(P, K, N) probabilities."""
    return solution.probabilities(torch.tensor(features, dtype=torch.float32)).numpy()


def reference(features: NDArray[Any], truth: NDArray[Any], strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, tol=1e-9, max_iter=20000).fit(features.astype(np.float64), truth)


def check(features: NDArray[Any], truth: NDArray[Any]) -> None:
    """Every strength agrees with scikit-learn in probabilities and in AUROC."""
    features = features.astype(np.float32)
    solution = binary(features, truth[:, None])
    assert bool(solution.converged.all())
    for strength, found in zip(STRENGTHS, answers(solution, features)[:, 0], strict=True):
        wanted = reference(features, truth, strength).predict_proba(features)[:, 1]
        np.testing.assert_allclose(found, wanted, atol=CLOSE)
        assert abs(roc_auc_score(truth, found) - roc_auc_score(truth, wanted)) < CLOSE


def test_random_problems_agree() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(300, 20))
    check(features, (features[:, 0] + generator.normal(size=300) > 0).astype(int))


def test_separable_problems_agree() -> None:
    generator = np.random.default_rng(1)
    features = generator.normal(size=(200, 10))
    check(features, (features @ generator.normal(size=10) > 0).astype(int))


def test_collinear_and_constant_features_agree() -> None:
    generator = np.random.default_rng(2)
    features = generator.normal(size=(250, 8))
    wide = np.hstack([features, features[:, :3], features @ generator.normal(size=(8, 4)), np.ones((250, 2))])
    check(wide, (features[:, 1] + 2 * generator.normal(size=250) > 0).astype(int))


def test_features_of_unequal_scale_far_from_zero_agree() -> None:
    generator = np.random.default_rng(3)
    features = generator.normal(size=(300, 6)) * np.array([1, 1, 3, 0.1, 10, 1]) + 20
    check(features, (features[:, 2] - 20 + 3 * generator.normal(size=300) > 0).astype(int))


def test_fewer_samples_than_features_agree() -> None:
    generator = np.random.default_rng(4)
    check(generator.normal(size=(12, 60)), np.arange(12) % 2)
    check(generator.normal(size=(2, 5)), np.arange(2))


def test_rare_positives_and_heavy_tails_agree() -> None:
    generator = np.random.default_rng(5)
    check(generator.standard_t(2, size=(800, 15)), (np.arange(800) < 5).astype(int))


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(6, 80),
    width=st.integers(1, 30),
    positives=st.floats(0.05, 0.95),
    strength=st.floats(-4, 3),
)
def test_any_problem_agrees(seed: int, rows: int, width: int, positives: float, strength: float) -> None:
    generator = np.random.default_rng(seed)
    features = (generator.normal(size=(rows, width)) * generator.lognormal(0, 0.7, width)).astype(np.float32)
    truth = (generator.random(rows) < positives).astype(int)
    truth[:2] = 0, 1
    found = answers(binary(features, truth[:, None], (10**strength,)), features)[0, 0]
    wanted = reference(features, truth, 10**strength).predict_proba(features)[:, 1]
    np.testing.assert_allclose(found, wanted, atol=CLOSE)


def test_real_classes_with_constant_features_agree() -> None:
    features, classes = load_digits(return_X_y=True)
    features, classes = features[:400] / 16, classes[:400]
    found = answers(multinomial(features, classes, 10, np.ones(400)), features)
    for index in (1, 2):
        wanted = reference(features, classes, STRENGTHS[index]).predict_proba(features)
        np.testing.assert_allclose(found[index].T, wanted, atol=CLOSE)


def test_real_collinear_measurements_agree() -> None:
    features, truth = load_breast_cancer(return_X_y=True)
    check((features - features.mean(0)) / features.std(0), truth)


def test_several_classes_agree_even_where_one_is_absent() -> None:
    generator = np.random.default_rng(6)
    features = generator.normal(size=(240, 12)).astype(np.float32)
    classes = np.argmax(features[:, :3] + generator.normal(size=(240, 3)), 1)
    classes[classes == 2] = 3
    found = answers(multinomial(features, classes, 4, np.ones(240)), features)
    for strength, part in zip(STRENGTHS, found, strict=True):
        wanted = reference(features, classes, strength).predict_proba(features)
        np.testing.assert_allclose(part[[0, 1, 3]].T, wanted, atol=CLOSE)
        assert not part[2].any()


def test_weights_of_zero_leave_samples_out_and_others_count_as_copies() -> None:
    generator = np.random.default_rng(7)
    features = generator.normal(size=(150, 9)).astype(np.float32)
    truth = (features[:, :2] + generator.normal(size=(150, 2)) > 0).astype(int)
    weights = np.stack([generator.integers(0, 2, 150), generator.integers(0, 4, 150)], 1)
    found = answers(binary(features, truth, weights=weights), features)[:, 0].reshape(2, len(STRENGTHS), -1)
    for label in range(2):
        rows = np.repeat(np.arange(150), weights[:, label])
        for index, strength in enumerate(STRENGTHS):
            wanted = reference(features[rows], truth[rows, label], strength).predict_proba(features)[:, 1]
            np.testing.assert_allclose(found[label, index], wanted, atol=CLOSE)


def test_weights_and_rows_left_out_agree_for_several_classes() -> None:
    generator = np.random.default_rng(8)
    features = generator.normal(size=(150, 9)).astype(np.float32)
    classes = np.argmax(features[:, :3] + generator.normal(size=(150, 3)), 1)
    weights = (np.arange(150) % 3 > 0).astype(float)
    kept = weights > 0
    masked = answers(multinomial(features, classes, 3, weights), features)
    alone = answers(multinomial(features[kept], classes[kept], 3, weights[kept]), features)
    np.testing.assert_allclose(masked, alone, atol=1e-4)


def test_one_answer_in_training_is_the_answer_and_no_sample_is_undecided() -> None:
    features = np.random.default_rng(9).normal(size=(30, 4))
    truth = np.stack([np.ones(30), np.zeros(30), np.arange(30) % 2], 1)
    weights = np.stack([np.ones(30), np.ones(30), np.zeros(30)], 1)
    solution = binary(features, truth, (1.0,), weights)
    found = answers(solution, features)[:, 0]
    assert (found[0] == 1).all() and (found[1] == 0).all() and (found[2] == 0.5).all()
    assert bool(solution.converged.all()) and not bool(solution.iterations.any())


def test_blocks_of_problems_change_nothing_and_two_runs_are_equal() -> None:
    generator = np.random.default_rng(10)
    features = generator.normal(size=(4000, 5))
    truth = (features[:, :4] + generator.normal(size=(4000, 4)) > 0).astype(int)
    whole = binary(features, truth)
    again = binary(features, truth)
    blocks = binary(features, truth, options=SolverOptions(memory_mib=1))
    assert torch.equal(whole.coefficients, again.coefficients) and torch.equal(whole.intercepts, again.intercepts)
    np.testing.assert_allclose(answers(blocks, features), answers(whole, features), atol=1e-5)


def test_an_iteration_limit_is_told() -> None:
    generator = np.random.default_rng(11)
    features = generator.standard_t(2, size=(300, 10))
    truth = (np.arange(300) < 4).astype(int)[:, None]
    solution = binary(features, truth, (1e-9, 1e4), options=SolverOptions(max_iterations=3))
    assert solution.converged.tolist() == [True, False]
    assert solution.iterations.tolist()[1] == 3


def test_features_that_are_not_finite_and_bad_strengths_are_refused() -> None:
    features = np.ones((4, 2))
    truth = np.array([[0], [1], [0], [1]])
    with pytest.raises(TrialError, match="not finite"):
        binary(np.where(features == 1, np.nan, features), truth)
    with pytest.raises(TrialError, match="too large"):
        binary(features * 1e20, truth)
    with pytest.raises(UsageError, match="strengths"):
        binary(features, truth, (0.0,))
    with pytest.raises(UsageError, match="weights"):
        binary(features, truth, (1.0,), -np.ones((4, 1)))


def test_the_callers_product_precision_is_left_as_it_was() -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        binary(np.random.default_rng(0).normal(size=(9, 2)), np.arange(9)[:, None] % 2, (1.0,))
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)
