"""Every metric against scikit-learn or a slow loop, with weights, ties, masks and labels of one class."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from classification_toys import one_hot, predictions_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from medbench.errors import TrialError, UnknownNameError
from medbench.statistics import patient_counts
from medbench_tasks.classification.metrics import label_estimates, replicate_metrics, score_predictions
from medbench_tasks.classification.metrics_catalogue import METRICS
from medbench_tasks.classification.predictions import Predictions

NAMES = [metric.name for metric in METRICS]


@st.composite
def _weighted_label(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """Truth (N,) with masks, scores (N,) with or without ties, counts (N, 3)."""
    generator = np.random.default_rng(draw(st.integers(0, 2**31)))
    size = draw(st.integers(1, 40))
    truth = generator.choice([-1, 0, 1], size, p=[0.1, 0.5, 0.4])
    scores = generator.random(size) if draw(st.booleans()) else generator.integers(0, 4, size) / 3
    return truth, scores, generator.poisson(1, (size, 3)).astype(np.uint8)


def _f1_max(truth: Any, scores: Any, weights: Any) -> float:
    precision, recall, _ = sk.precision_recall_curve(truth, scores, sample_weight=weights)
    total = precision + recall
    return float(np.max(np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)))


def _accuracy_at(truth: Any, scores: Any, weights: Any) -> float:
    truth, scores = np.repeat(truth, weights), np.repeat(scores, weights)
    precision, recall, thresholds = sk.precision_recall_curve(truth, scores)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return float(sk.accuracy_score(truth, scores > thresholds[np.argmax(f1)]))


_REFERENCES: dict[str, tuple[Callable[[Any, Any, Any], float], bool]] = {
    "auroc": (lambda t, s, w: sk.roc_auc_score(t, s, sample_weight=w), True),
    "ap": (lambda t, s, w: sk.average_precision_score(t, s, sample_weight=w), False),
    "f1": (lambda t, s, w: sk.f1_score(t, s > 0.5, sample_weight=w, zero_division=0), False),
    "balanced-accuracy": (lambda t, s, w: sk.balanced_accuracy_score(t, s > 0.5, sample_weight=w), True),
    "accuracy": (lambda t, s, w: sk.accuracy_score(t, s > 0.5, sample_weight=w), False),
    "sensitivity": (lambda t, s, w: sk.recall_score(t, s > 0.5, sample_weight=w), False),
    "specificity": (lambda t, s, w: sk.recall_score(t, s > 0.5, sample_weight=w, pos_label=0), True),
    "f1-max-on-test": (_f1_max, False),
    "accuracy-at-max-f1": (_accuracy_at, False),
}
"""By metric: its value from truth, scores and weights without masks, and whether it needs a negative too."""


@pytest.mark.parametrize("name", _REFERENCES)
@given(drawn=_weighted_label())
@settings(max_examples=60, deadline=None)
def test_every_replicate_equals_scikit_learn_with_weights(name: str, drawn: Any) -> None:
    truth, scores, counts = drawn
    reference, needs_negative = _REFERENCES[name]
    found = label_estimates(predictions_of(truth[:, None], scores[:, None]), [name], counts)[name]
    assert found.shape == (3, 1)
    for column in range(3):
        use = (truth >= 0) & (counts[:, column] > 0)
        present = set(truth[use].tolist())
        defined = (1 in present or (name == "accuracy" and present)) and (0 in present or not needs_negative)
        defined = 0 in present if name == "specificity" else defined
        if not defined:
            assert np.isnan(found[column, 0])
            continue
        expected = reference(truth[use], scores[use], counts[use, column])
        assert found[column, 0] == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 30))
@settings(max_examples=40, deadline=None)
def test_metrics_of_all_labels_at_once_equal_scikit_learn(seed: int, width: int, size: int) -> None:
    generator = np.random.default_rng(seed)
    truth, scores = generator.integers(0, 2, (size, width)), generator.random((size, width))
    weights = generator.integers(1, 4, (size, 1)).astype(np.uint8)
    names = ["micro-f1", "exact-match", "f1-as-released"]
    found = label_estimates(predictions_of(truth, scores), names, weights)
    repeated = np.repeat(truth, weights[:, 0], axis=0), np.repeat(scores > 0.5, weights[:, 0], axis=0)
    flat = [one.ravel() for one in repeated]
    assert found["exact-match"][0, 0] == pytest.approx((repeated[0] == repeated[1]).all(axis=1).mean())
    each = [sk.f1_score(t, a, zero_division=0) for t, a in zip(repeated[0].T, repeated[1].T, strict=True)]
    assert found["f1-as-released"][0].tolist() == pytest.approx(each)
    if truth.any():
        assert found["micro-f1"][0, 0] == pytest.approx(sk.f1_score(*flat))
    else:
        assert np.isnan(found["micro-f1"][0, 0])


def test_auroc_agrees_on_many_samples_and_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medbench.statistics._BLOCK_CELLS", 20_000)
    generator = np.random.default_rng(3)
    truth = generator.integers(0, 2, (3000, 2))
    scores = np.stack([generator.random(3000), generator.integers(0, 9, 3000) / 9], axis=1)
    counts = patient_counts([str(index // 2) for index in range(3000)], replicates=20)
    found = label_estimates(predictions_of(truth, scores), ["auroc", "ap"], counts)
    for replicate in range(20):
        weights = counts[:, replicate]
        for label in range(2):
            pair = truth[:, label], scores[:, label]
            assert found["auroc"][replicate, label] == pytest.approx(sk.roc_auc_score(*pair, sample_weight=weights))
            expected = sk.average_precision_score(*pair, sample_weight=weights)
            assert found["ap"][replicate, label] == pytest.approx(expected)


def _slow_ece(confidence: NDArray[np.float64], right: NDArray[np.int64]) -> float:
    total = 0.0
    for index in range(15):
        low, high = index / 15, (index + 1) / 15
        inside = [k for k, c in enumerate(confidence) if low < c <= high or (index == 0 and c == 0)]
        if inside:
            total += len(inside) * abs(np.mean(confidence[inside]) - np.mean(right[inside]))
    return total / len(confidence)


def test_the_calibration_error_is_that_of_a_slow_loop() -> None:
    generator = np.random.default_rng(8)
    truth, scores = generator.integers(-1, 2, (50, 2)), generator.random((50, 2))
    scores[:3, 0] = [0.0, 1.0, 0.5]
    weights = generator.poisson(1, (50, 1)).astype(np.uint8)
    found = label_estimates(predictions_of(truth, scores), ["ece"], weights)["ece"][0]
    for label in range(2):
        kept = np.repeat(np.arange(50), weights[:, 0] * (truth[:, label] >= 0))
        assert found[label] == pytest.approx(_slow_ece(scores[kept, label], truth[kept, label]))


@given(st.integers(0, 2**31), st.integers(2, 5), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_multi_class_metrics_equal_scikit_learn(seed: int, width: int, size: int) -> None:
    generator = np.random.default_rng(seed)
    classes = generator.integers(0, width, size)
    scores = generator.dirichlet(np.ones(width), size)
    present = np.unique(classes)
    assume(len(present) > 1)
    found = score_predictions(predictions_of(one_hot(classes, width), scores, "multi-class"), NAMES)
    answers = scores.argmax(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class that is answered and absent
        balanced = sk.balanced_accuracy_score(classes, answers)
    assert found["accuracy"].value == pytest.approx(sk.accuracy_score(classes, answers))
    assert found["balanced-accuracy"].value == pytest.approx(balanced)
    macro = sk.f1_score(classes, answers, average="macro", labels=present, zero_division=0)
    assert found["f1"].value == pytest.approx(macro)
    rest = [sk.roc_auc_score(classes == label, scores[:, label]) for label in present]
    assert found["auroc"].value == pytest.approx(np.mean(rest))
    right = (classes == answers).astype(int)
    assert found["ece"].value == pytest.approx(_slow_ece(scores.max(axis=1), right))


def _two_labels(size: int = 60) -> Predictions:
    generator = np.random.default_rng(11)
    truth = generator.integers(0, 2, (size, 2))
    scores = np.clip(0.3 * truth + 0.7 * generator.random((size, 2)), 0, 1)
    return predictions_of(truth, scores, patient_ids=[f"p{index // 3}" for index in range(size)])


def test_a_value_lies_in_its_interval_and_the_interval_is_that_of_its_replicates() -> None:
    predictions = _two_labels()
    values, replicates = score_predictions(predictions, NAMES), replicate_metrics(predictions, NAMES)
    for name in NAMES:
        value = values[name]
        assert value.low is not None and value.high is not None and value.value is not None
        assert (value.low, value.high) == pytest.approx(tuple(np.quantile(replicates[name], [0.025, 0.975])))
        assert value.n == 60
        if name not in ("f1-max-on-test", "ece"):  # these are biased upwards in replicates
            assert value.low <= value.value <= value.high


def test_label_of_one_class_is_left_out_and_said() -> None:
    truth = np.array([[1, 0], [0, 0], [1, 0], [0, -1]])
    values = score_predictions(predictions_of(truth, np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.3], [0.7, 0.2]])), NAMES)
    assert (values["auroc"].value, values["auroc"].note) == (0.75, "without B: no positive")
    assert (values["auroc-as-released"].value, values["auroc-as-released"].note) == (0.375, "")
    assert values["accuracy"].value == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert values["accuracy"].note == ""


@pytest.mark.parametrize(("only", "reason"), [(0, "no positive"), (1, "no negative")])
def test_a_test_set_of_one_class_has_no_auroc_and_says_why(only: int, reason: str) -> None:
    values = score_predictions(predictions_of([[only]] * 4, [[0.1], [0.2], [0.6], [0.7]]), NAMES)
    for name in ("auroc", "balanced-accuracy"):
        assert (values[name].value, values[name].low, values[name].note) == (None, None, f"A: {reason}")
    assert values["accuracy"].value == 0.5
    assert (values["f1"].value is None) == (only == 0)


def test_calibration_is_not_asked_of_scores_that_are_no_probabilities() -> None:
    values = score_predictions(predictions_of([[1], [0]], [[3.0], [-2.0]], probabilities=False), NAMES)
    assert (values["ece"].value, values["ece"].note) == (None, "the scores are no probabilities")
    assert values["balanced-accuracy-as-released"].value == 1.0  # by their sign


def test_samples_without_a_label_change_nothing() -> None:
    bare = _two_labels(30)
    truth = np.concatenate([bare.truth, np.full((4, 2), -1)])
    scores = np.concatenate([bare.scores, np.full((4, 2), 0.5)])
    more = predictions_of(truth, scores, patient_ids=[*bare.patient_ids, *"wxyz"])
    assert score_predictions(more, NAMES) == score_predictions(bare, NAMES)
    with pytest.raises(TrialError, match="no prediction has a label"):
        score_predictions(predictions_of([[-1]], [[0.5]]), NAMES)


def test_an_unknown_metric_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'auroc'"):
        score_predictions(_two_labels(6), ["auroq"])
