"""Prediction tables go through Parquet unchanged and refuse what cannot be scored; floors and thresholds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from classification_toys import manifest_of, one_hot
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score

from medbench.errors import TrialError
from medbench.specs import Target
from medbench_tasks.classification.floors import floor_tables
from medbench_tasks.classification.predictions import prediction_table, read_predictions
from medbench_tasks.classification.thresholds import UNDECIDED, f1_thresholds

TARGET = Target(kind="multi-label", labels=("A", "B"))
MANIFEST = manifest_of(
    [{"A": 1, "B": 0}, {"A": 0}, {"B": 1}],
    patients=["x", "x", "y"],
    attributes=[{"sex": "F", "age": "71"}, {}, {"view": "PA"}],
)
TRUTH = np.array([[1, 0], [0, -1], [-1, 1]], np.int8)
SCORES = np.array([[0.1 + 0.2, 0.5], [1.0, 0.0], [1 - 1e-12, 1e-300]])


def _table(**changes: Any) -> Any:
    values = {"truth": TRUTH, "scores": SCORES, "thresholds": np.array([0.25, 0.75])}
    return prediction_table(MANIFEST, TARGET, **{**values, **changes})


def test_a_table_read_back_from_parquet_holds_the_same_numbers(tmp_path: Path) -> None:
    pq.write_table(_table(), tmp_path / "p.parquet", compression="zstd")
    found = read_predictions(pq.read_table(tmp_path / "p.parquet"))
    assert (found.truth == TRUTH).all()
    assert (found.scores == SCORES).all()
    assert found.thresholds.tolist() == [0.25, 0.75]
    assert (found.sample_ids, found.patient_ids) == (["s0", "s1", "s2"], ["x", "x", "y"])
    assert (found.target, found.probabilities, found.multi_class) == (TARGET, True, False)
    assert found.attributes == {"sex": ["F", "", ""], "age": ["71", "", ""], "view": ["", "", "PA"]}


def test_each_row_can_be_read_alone() -> None:
    part = read_predictions(_table().slice(1, 2))
    assert (part.scores == SCORES[1:]).all()
    assert part.sample_ids == ["s1", "s2"]
    assert _table().slice(2, 1).to_pylist()[0]["labels"] == ["A", "B"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_refused_with_its_sample(value: float) -> None:
    scores = SCORES.copy()
    scores[1, 1] = value
    with pytest.raises(TrialError, match=f"the score of sample 's1' for 'B' is {value}"):
        _table(scores=scores)
    with pytest.raises(TrialError, match="the threshold of 'A' is"):
        _table(thresholds=np.array([value, 0.0]))


def test_a_probability_out_of_range_is_refused_but_a_difference_is_not() -> None:
    with pytest.raises(TrialError, match=r"the probability of 'A' in sample 's0' is -0.5, not in 0..1"):
        _table(scores=np.where(SCORES[0, 0] == SCORES, -0.5, SCORES))
    assert not read_predictions(_table(scores=SCORES - 5, probabilities=False)).probabilities


def test_arrays_of_another_shape_and_empty_tables_are_refused() -> None:
    with pytest.raises(TrialError, match=r"scores are of shape \(2, 2\), where \(3, 2\) is needed"):
        _table(scores=SCORES[:2])
    with pytest.raises(TrialError, match="thresholds are of shape"):
        _table(thresholds=np.zeros(3))
    with pytest.raises(TrialError, match="no prediction"):
        read_predictions(_table().slice(0, 0))


def test_floors_answer_with_what_training_labels_say() -> None:
    train = np.array([[1, -1], [1, -1], [0, -1], [1, -1]], np.int8)
    floors = {name: read_predictions(table) for name, table in floor_tables(MANIFEST, TARGET, train, TRUTH).items()}
    assert set(floors) == {"constant", "all-present"}
    assert floors["constant"].scores.tolist() == [[0.75, UNDECIDED]] * 3
    assert (floors["all-present"].scores > floors["all-present"].thresholds).all()
    assert (floors["constant"].truth == TRUTH).all()


def test_the_floor_of_classes_is_their_frequencies() -> None:
    target = Target(kind="multi-class", labels=("A", "B"))
    floors = floor_tables(MANIFEST, target, one_hot([0, 1, 1, 1, -1], 2), one_hot([0, 1, -1], 2))
    assert list(floors) == ["constant"]
    assert read_predictions(floors["constant"]).scores.tolist() == [[0.25, 0.75]] * 3


@given(
    arrays(np.int8, st.integers(2, 25), elements=st.integers(-1, 1)), st.randoms(use_true_random=False), st.booleans()
)
@settings(max_examples=25, deadline=None)
def test_no_threshold_has_a_better_f1_than_the_one_chosen(truth: Any, random: Any, ties: bool) -> None:
    scores = np.array([random.randint(0, 4) / 4 if ties else random.random() for _ in truth])
    chosen = f1_thresholds(truth[:, None], scores[:, None])[0]
    known = truth >= 0
    truth, scores = truth[known], scores[known]
    if len(set(truth.tolist())) < 2:
        assert chosen == UNDECIDED
        return
    candidates = [-1.0, *np.unique(scores)]
    best = max(f1_score(truth, scores > candidate, zero_division=0) for candidate in candidates)
    assert f1_score(truth, scores > chosen) == pytest.approx(best, abs=1e-12)


def test_a_threshold_stands_half_way_between_the_scores_it_parts() -> None:
    truth = np.array([[1], [1], [0], [0]])
    assert f1_thresholds(truth, np.array([[0.9], [0.8], [0.4], [0.1]])).tolist() == pytest.approx([0.6])
    close = np.array([[1.0], [np.nextafter(0.5, 1)], [0.5], [0.5]])
    assert f1_thresholds(truth, close).tolist() == [0.5]  # no number lies between
    assert f1_thresholds(truth[::-1], np.array([[3.0], [2.0], [1.0], [1.0]]))[0] < 1  # everything present is best
