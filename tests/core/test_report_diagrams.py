"""Critical-difference diagrams against the worked example of the paper that they are from, and against a slow count."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from medbench.leaderboard.table import Specs
from medbench.records import Record
from medbench.report.diagrams import build_diagrams, cliques, critical_difference, rank_test
from medbench.report.payload import DiagramView
from medbench.report.sheets import build_sheets
from tests.core.record_maker import make_record, make_task

C45 = np.array(
    [
        [4, 3, 2, 1],
        [1, 2, 3, 4],
        [4, 1, 2, 3],
        [4, 1, 3, 2],
        [4, 2, 3, 1],
        [1, 2.5, 4, 2.5],
        [3, 2, 4, 1],
        [2.5, 2.5, 4, 1],
        [4, 3, 2, 1],
        [2.5, 2.5, 2.5, 2.5],
        [4, 2.5, 1, 2.5],
        [3, 2, 4, 1],
        [4, 1, 2, 3],
        [3, 1, 4, 2],
    ]
)
"""Ranks of four variants of C4.5 on 14 data sets (Demsar, JMLR 7, 2006, table 6)."""


def test_the_worked_example_of_the_paper() -> None:
    test = rank_test(C45)
    assert test.mean_ranks == pytest.approx((3.143, 2.000, 2.893, 1.964), abs=5e-4)
    assert test.critical == pytest.approx(1.25, abs=0.01)
    # The paper's statistic, 9.28, does without the correction for ties, which makes the p-value smaller.
    uncorrected = 12 * 14 / (4 * 5) * (sum(rank**2 for rank in test.mean_ranks) - 4 * 25 / 4)
    assert uncorrected == pytest.approx(9.28, abs=0.01)
    assert 0.01 < test.friedman_p < stats.chi2.sf(uncorrected, 3) < 0.05


@pytest.mark.parametrize(("methods", "quantile"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_the_critical_values_of_the_papers_table_5(methods: int, quantile: float) -> None:
    scale = math.sqrt(methods * (methods + 1) / (6 * 30))
    assert critical_difference(methods, 30) / scale == pytest.approx(quantile, abs=1e-3)


def test_where_nothing_differs_there_is_no_evidence() -> None:
    assert rank_test(np.ones((5, 3))).friedman_p == 1.0


@given(st.lists(st.integers(10, 90), min_size=1, max_size=8).map(sorted), st.integers(0, 40))
def test_cliques_are_the_maximal_runs_within_the_difference(tenths: list[int], critical: int) -> None:
    count = len(tenths)
    runs = {
        (first, last)
        for first in range(count)
        for last in range(first + 1, count)
        if tenths[last] - tenths[first] <= critical
    }
    maximal = {
        one for one in runs if not any(other != one and other[0] <= one[0] and other[1] >= one[1] for other in runs)
    }
    assert set(cliques(tenths, critical)) == maximal


def _diagrams(records: list[Record], tasks: int) -> tuple[DiagramView, ...]:
    specs = Specs(tasks={f"t{one}": make_task(id=f"t{one}", dataset=f"d{one // 2}") for one in range(tasks)})
    found = [sheet.comparison for sheet in build_sheets(records, specs)]
    return build_diagrams([one for one in found if one is not None])


def test_methods_with_every_task_are_ranked_over_them() -> None:
    scores = {"good": [0.9, 0.8, 0.9], "fair": [0.7, 0.8, 0.6], "poor": [0.2, 0.1, 0.3], "partial": [0.99]}
    records = [
        make_record(name, score, task=f"t{index}")
        for name, values in scores.items()
        for index, score in enumerate(values)
    ]
    (found,) = _diagrams(records, 3)
    assert found.methods == ("good@resnet50", "fair@resnet50", "poor@resnet50")
    assert found.mean_ranks == pytest.approx((3.5 / 3, 5.5 / 3, 3.0))
    assert found.tasks == ("t0", "t1", "t2")
    assert found.cliques == ((0, 2),)
    ranks = np.array([[1, 2, 3], [1.5, 1.5, 3], [1, 2, 3]])
    assert found.friedman_p == pytest.approx(stats.friedmanchisquare(*ranks.T).pvalue)
    assert "Left out: 1 method without all of the tasks." in found.note
    assert "share a dataset" in found.note


def test_without_three_methods_or_two_tasks_the_reason_stands_in_its_place() -> None:
    two = [make_record(name, 0.5, task=task) for name in ("a", "b") for task in ("t0", "t1")]
    (found,) = _diagrams(two, 2)
    assert found.methods == ()
    assert found.note.endswith("2 methods have all 2 tasks.")
    (found,) = _diagrams([make_record(name, 0.5, task="t0") for name in "abc"], 1)
    assert found.note.endswith("3 methods have 1 task.")


def test_generated_data_have_a_diagram_of_their_own() -> None:
    records = [
        make_record(name, score, task=task, phantom=phantom)
        for phantom in (False, True)
        for name, score in (("a", 0.1), ("b", 0.2), ("c", 0.3))
        for task in ("t0", "t1")
    ]
    assert [one.phantom for one in _diagrams(records, 2)] == [False, True]
