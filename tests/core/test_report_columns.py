"""The columns of the page's tables, what its parts are of, and a page of many tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medbench.leaderboard.table import Specs
from medbench.records import Record
from medbench.report.build import ReportOptions, build_report
from medbench.report.page import render
from medbench.report.payload import Payload
from medbench.settings import Settings
from medbench.specs import ReportedResult
from medbench.store import ResultStore
from tests.core import report_toys, table_toys
from tests.core.record_maker import make_record, make_task
from tests.core.table_toys import toy_task

TASKS, METHODS = 1000, 10


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return report_toys.settings_in(tmp_path)


def build(records: list[Record], specs: Specs) -> Payload:
    found = build_report(records, specs, ResultStore(Path("nowhere")), Settings(), ReportOptions(predictions=False))
    assert found.damage == ()
    return found.payload


def printed(metric: str, fraction: float, value: float, **more: Any) -> ReportedResult:
    given = {"method": "Theirs", "recipe": "standard", "source": "P", **more}
    return ReportedResult(metric=metric, fraction=fraction, value=value, **given)


def test_columns_are_by_metric_and_fraction_whoever_has_a_figure_in_them() -> None:
    reported = (
        printed("map", 0.01, 0.1),
        printed("map", 0.1, 0.2),
        printed("map", 1.0, 0.3),
        printed("map", 0.1, 0.9, metric_title="mAP of another kind", comparable=False),
        printed("loss", 0.1, 2.0),
        printed("gain", 0.1, 0.5),
    )
    record = make_record("a", 0.7, metrics={"loss": 0.25})
    (table,) = build([record], Specs({"toy-det": make_task(reported=reported)})).tables
    assert [(one.metric, one.fraction) for one in table.columns] == [
        ("map", 0.01),
        ("map", 0.1),
        ("map", 1.0),
        ("map", 0.1),
        ("loss", 0.1),
        ("loss", 1.0),
        ("gain", 0.1),
    ]
    assert table.columns[3].title == "mAP of another kind"
    assert table.ranking == 2
    assert {one.higher_is_better for one in table.columns[:3]} == {True}
    assert table.columns[3].higher_is_better is None
    ours, theirs = ([cell and cell.value for cell in line.cells] for line in table.lines)
    assert ours == [None, None, 0.7, None, None, 0.25, None]
    assert theirs == [0.1, 0.2, 0.3, 0.9, 2.0, None, 0.5]
    assert [cell and cell.comparable for cell in table.lines[1].cells] == [True, True, True, False, True, None, True]


@pytest.mark.parametrize(
    ("seeds", "fractions", "said"),
    [
        ((3, 3), (1.0,), "seed 3"),
        ((3, 3), (0.1, 1.0), "seed 3, 100 % of the training data"),
        ((0, 3), (1.0,), "the first seed of each method"),
    ],
)
def test_it_is_said_which_trials_the_parts_are_of(
    settings: Settings, seeds: tuple[int, int], fractions: tuple[float, ...], said: str
) -> None:
    store = ResultStore(settings.results)
    for fraction in fractions:
        for method, seed in zip(("low", "high"), seeds, strict=True):
            table_toys.keep(store, method, 0.5, seed=seed, fraction=fraction)
            table_toys.keep(store, method, 0.5, seed=seed + 4, fraction=fraction)
    (table,) = report_toys.payload_of(settings, toy_task()).tables
    assert table.groups
    assert table.kept_of == said


@pytest.mark.slow
def test_a_thousand_tasks_of_ten_methods_make_a_page() -> None:
    names = [f"task-{index:04d}" for index in range(TASKS)]
    records = [
        make_record(f"m{method}", (method / METHODS, method / METHODS - 0.05, method / METHODS + 0.05), task=name)
        for name in names
        for method in range(METHODS)
    ]
    payload = build(records, Specs({name: make_task(id=name) for name in names}))
    assert len(payload.tables) == TASKS
    assert len(payload.records) == TASKS * METHODS
    page = render(payload)
    assert names[-1] in page
    assert page.rstrip().endswith("</html>")
