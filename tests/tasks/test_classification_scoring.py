"""What classification protocols inherit: scores, replicates, groups and reliability from a prediction table alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from classification_toys import manifest_of, one_hot, toy_task

from medbench.protocols import Analysis, GroupValue
from medbench.specs import Recipe, Target
from medbench.statistics import REPLICATES, paired_difference
from medbench_tasks.classification.predictions import prediction_table
from medbench_tasks.classification.scoring import ClassificationScoring

SCORING = ClassificationScoring()
TASK = toy_task()
RECIPE = Recipe()
SIZE = 80


def _table(strength: float = 0.4, kind: Any = "multi-label", seed: int = 2) -> Any:
    generator = np.random.default_rng(5)
    truth = generator.integers(0, 2, (SIZE, 2)).astype(np.int8)
    if kind == "multi-class":
        truth = one_hot(generator.integers(0, 2, SIZE).tolist(), 2)
    noise = np.random.default_rng(seed).random((SIZE, 2))
    attributes = [
        {"sex": "FM"[index % 2], "age": str(index) if index % 10 else "unknown", "view": "PA" if index < 5 else ""}
        for index in range(SIZE)
    ]
    manifest = manifest_of([{}] * SIZE, patients=[f"p{index // 2}" for index in range(SIZE)], attributes=attributes)
    return prediction_table(
        manifest,
        Target(kind=kind, labels=("A", "B")),
        truth=truth,
        scores=strength * truth + (1 - strength) * noise,
        thresholds=np.array([0.5, 0.5]),
    )


def _of(values: Any, grouping: str) -> Iterator[GroupValue]:
    return (value for value in values if value.grouping == grouping)


def test_a_protocol_that_inherits_offers_the_analysis() -> None:
    assert isinstance(SCORING, Analysis)


@pytest.mark.parametrize("kind", ["multi-label", "multi-class"])
def test_every_metric_of_the_task_has_a_value_and_replicates(kind: str) -> None:
    scores, replicates = (
        SCORING.score(TASK, RECIPE, _table(kind=kind)),
        SCORING.replicates(TASK, RECIPE, _table(kind=kind)),
    )
    assert list(scores) == list(replicates) == [metric.name for metric in TASK.metrics]
    for name, value in scores.items():
        assert value.value is not None and value.low is not None, name
        assert replicates[name].shape == (REPLICATES,)


def test_scoring_does_not_depend_on_the_order_of_the_samples() -> None:
    table = _table()
    order = np.random.default_rng(1).permutation(SIZE)
    straight, shuffled = SCORING.score(TASK, RECIPE, table), SCORING.score(TASK, RECIPE, table.take(order))
    for name, value in straight.items():
        assert (shuffled[name].value, shuffled[name].low, shuffled[name].high) == pytest.approx(
            (value.value, value.low, value.high)
        )


def test_the_better_of_two_methods_is_told_from_the_same_draws_of_patients() -> None:
    better, worse, twin = (_table(strength, seed=seed) for strength, seed in ((0.6, 2), (0.1, 3), (0.6, 2)))
    one, other, same = (SCORING.replicates(TASK, RECIPE, table)["auroc"] for table in (better, worse, twin))
    found = paired_difference(one, other, 1.0, 0.5)
    assert found is not None
    assert found.low > 0
    assert found.p_value < 0.01
    assert (one == same).all()


def test_groups_by_class_are_the_labels_own_values() -> None:
    values = list(_of(SCORING.groups(TASK, RECIPE, _table()), "class"))
    assert {value.group for value in values} == {"A", "B"}
    overall = SCORING.score(TASK, RECIPE, _table())
    for name in ("auroc", "f1", "accuracy", "ece"):
        own = [value.value.value for value in values if value.metric == name]
        assert np.mean(own) == pytest.approx(overall[name].value)


def test_multi_class_groups_leave_out_what_no_single_class_has() -> None:
    values = list(_of(SCORING.groups(TASK, RECIPE, _table(kind="multi-class")), "class"))
    metrics = {value.metric for value in values}
    assert {"auroc", "f1", "balanced-accuracy"} <= metrics
    assert not metrics & {"accuracy", "ece"}


def test_groups_by_attribute_are_scores_of_those_samples_alone() -> None:
    values = SCORING.groups(TASK, RECIPE, _table())
    assert {value.group for value in _of(values, "sex")} == {"F", "M"}
    ages = list(dict.fromkeys(value.group for value in _of(values, "age")))
    assert ages == ["<40", "40-59", "60-79"]
    women = _table().filter([index % 2 == 0 for index in range(SIZE)])
    alone = SCORING.score(TASK, RECIPE, women)
    for value in _of(values, "sex"):
        if value.group == "F":
            assert value.value.value == pytest.approx(alone[value.metric].value)
            assert value.value.n == SIZE // 2
            assert value.value.low is not None
    assert sum(value.value.n for value in _of(values, "age") if value.metric == "auroc") == SIZE - SIZE // 10


def test_a_small_group_has_a_note_in_place_of_a_value() -> None:
    views = list(_of(SCORING.groups(TASK, RECIPE, _table()), "view"))
    assert {value.group for value in views} == {"PA"}
    for value in views:
        assert (value.value.value, value.value.n, value.value.note) == (None, 5, "fewer than 10 samples")


def test_reliability_bins_hold_every_score_and_agree_with_the_calibration_error() -> None:
    bins = SCORING.reliability(TASK, RECIPE, _table(kind="multi-class"))
    assert sum(found.n for found in bins) == SIZE
    assert [found.low for found in bins] == sorted(found.low for found in bins)
    assert all(found.low < found.confidence <= found.high for found in bins)
    error = sum(found.n * abs(found.confidence - found.frequency) for found in bins) / SIZE
    ece = SCORING.score(TASK, RECIPE, _table(kind="multi-class"))["ece"].value
    assert error == pytest.approx(ece)


def test_reliability_is_empty_for_scores_that_are_no_probabilities() -> None:
    table = _table()
    plain = table.set_column(table.schema.get_field_index("probabilities"), "probabilities", [[False] * SIZE])
    assert SCORING.reliability(TASK, RECIPE, plain) == []
    assert len(SCORING.reliability(TASK, RECIPE, table)) == 15
