"""Clinical efficacy: scikit-learn's numbers, for every weighting of the reports."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_recall_fscore_support

from medbench.errors import UsageError
from medbench_tasks.texts.assertion import State
from medbench_tasks.texts.efficacy import FIVE, Efficacy
from medbench_tasks.texts.finding_phrases import OBSERVATIONS

STATES = [int(state) for state in State]
FIVE_COLUMNS = [OBSERVATIONS.index(name) for name in FIVE]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.booleans())
def test_any_labels_score_as_scikit_learn_scores_them(seed: int, reports: int, uncertain: bool) -> None:
    draw = np.random.default_rng(seed)
    truth, given = (draw.choice(STATES, (reports, 14)).astype(np.int8) for _ in range(2))
    weights = draw.integers(0, 3, (3, reports))
    efficacy = Efficacy.of(truth, given, uncertain_is_present=uncertain)
    found = efficacy.replicates(weights)
    present = [State.PRESENT, State.UNCERTAIN] if uncertain else [State.PRESENT]
    for row, drawn in enumerate(weights):
        rows = np.repeat(np.arange(reports), drawn)
        if not len(rows):
            assert all(math.isnan(values[row]) for values in found.values())
            continue
        for suffix, columns in (("", list(range(14))), ("-5", FIVE_COLUMNS)):
            sides = [np.isin(labels[rows][:, columns], present) for labels in (truth, given)]
            told = precision_recall_fscore_support(*sides, average="micro", zero_division=0)
            for number, value in zip(("precision", "recall", "f1"), told[:3], strict=True):
                assert found[f"micro-{number}{suffix}"][row] == pytest.approx(value, abs=1e-12)
            each = f1_score(*sides, average=None, zero_division=0)
            there = sides[0].any(axis=0)
            wanted = each[there].mean() if there.any() else math.nan
            assert found[f"macro-f1{suffix}"][row] == pytest.approx(wanted, abs=1e-12, nan_ok=True)
            if not suffix:
                assert found["macro-f1-as-released"][row] == pytest.approx(each.mean(), abs=1e-12)


def test_the_f1_of_each_finding_is_undefined_without_a_true_report_of_it() -> None:
    truth = np.full((3, 14), State.UNMENTIONED, np.int8)
    given = truth.copy()
    truth[:2, 0], given[1:, 0] = State.PRESENT, State.PRESENT
    by_finding = Efficacy.of(truth, given).by_finding(np.ones((1, 3)))
    assert by_finding[0, 0] == pytest.approx(f1_score([1, 1, 0], [0, 1, 1]))
    assert np.isnan(by_finding[0, 1:]).all()


def test_perfect_reports_score_one_whatever_is_absent_but_as_released() -> None:
    truth = np.full((4, 14), State.ABSENT, np.int8)
    truth[:2, [1, 3]] = State.PRESENT
    found = Efficacy.of(truth, truth).values()
    assert (found["macro-f1"], found["macro-f1-5"], found["macro-f1-as-released"]) == (1, 1, 2 / 14)
    nothing = np.full((4, 14), State.UNMENTIONED, np.int8)
    assert math.isnan(Efficacy.of(nothing, truth).values()["macro-f1"])


def test_uncertain_counts_as_present_unless_told_otherwise() -> None:
    truth = np.full((1, 14), State.ABSENT, np.int8)
    truth[0, 0] = State.UNCERTAIN
    given = np.where(truth == State.UNCERTAIN, State.PRESENT, truth).astype(np.int8)
    assert Efficacy.of(truth, given).values()["micro-f1"] == 1
    assert Efficacy.of(truth, given, uncertain_is_present=False).values()["micro-f1"] == 0


def test_labels_of_other_reports_or_findings_are_refused() -> None:
    with pytest.raises(UsageError, match=r"\(2, 14\) cannot be compared with \(3, 14\)"):
        Efficacy.of(np.zeros((3, 14), np.int8), np.zeros((2, 14), np.int8))
    with pytest.raises(UsageError, match="14 observations"):
        Efficacy.of(np.zeros((3, 5), np.int8), np.zeros((3, 5), np.int8))


def test_each_report_has_an_f1_of_its_own() -> None:
    truth, given = np.zeros((3, len(OBSERVATIONS)), bool), np.zeros((3, len(OBSERVATIONS)), bool)
    truth[0, :2], given[0, 1:3] = True, True
    given[1, 0] = True
    assert Efficacy(truth, given).each().tolist() == [0.5, 0.0, 1.0]
