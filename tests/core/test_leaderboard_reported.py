"""Reported figures stand beside reproduced ones, with the difference where they may be compared, and never rank."""

from __future__ import annotations

from typing import Any

import pytest

from medbench.leaderboard.pages import build_pages
from medbench.leaderboard.table import Specs, build_tables, reported_tables
from medbench.records import Record
from medbench.specs import MetricSpec, Recipe, ReportedResult, TaskSpec
from tests.core.leaderboard_reader import columns_of, tables_of
from tests.core.record_maker import make_method, make_record, make_task

SOURCE = "A paper, version 2, Table 3"
METHODS = {"mgca": make_method("mgca", ("toy",)), "medst": make_method("medst", None)}


def figure(method: str = "mgca@resnet50", value: float = 0.48, **changes: Any) -> ReportedResult:
    own: dict[str, Any] = {"metric": "map", "fraction": 1.0, "recipe": "standard", "source": SOURCE}
    return ReportedResult(method=method, value=value, **{**own, **changes})


def specs(*figures: ReportedResult, **changes: Any) -> Specs:
    task: TaskSpec = make_task(reported=figures, **changes)
    return Specs({"toy-det": task}, METHODS)


def page(found: Specs, *records: Record) -> str:
    return build_pages(records, found)["toy-det.md"]


def test_a_figure_stands_in_its_own_column_with_the_difference_and_its_source() -> None:
    text = page(specs(figure(deviation=0.01)), make_record(score=0.5))
    (table,) = tables_of(text)
    assert columns_of(table)[2:4] == ["mAP", "mAP, reported"]
    assert table[1][2:4] == ["50.0", "48.0 ± 1.0 (+2.0)^1"]
    assert f"(1) {SOURCE}" in text
    assert "ours minus it, in points" in text


def test_figures_never_rank_and_are_never_bold() -> None:
    text = page(specs(figure(value=0.99), figure("Other net", 0.98)), make_record(score=0.5), make_record("medst", 0.4))
    assert "**50.0**" in text and "**99.0" not in text and "**98.0" not in text
    (table,) = tables_of(text)
    assert [row[:2] for row in table[1:]] == [
        ["1", "mgca@resnet50"],
        ["2", "medst@resnet50"],
        ["–", "Other net (reported)"],
    ]


def test_methods_that_nobody_ran_stand_between_methods_and_floors_in_the_order_of_the_spec() -> None:
    record = make_record(score=0.5, floors={"empty": {"map": 0.1}})
    found = build_tables([record], specs(figure("Zeta"), figure("Alpha"), figure("medst@resnet50")))[0]
    assert [line.kind for line in found.lines] == ["method", "reported", "reported", "reported", "floor"]
    assert [line.name for line in found.lines[1:4]] == ["Zeta", "Alpha", "medst@resnet50"]
    assert [line.contamination for line in found.lines[1:4]] == ["undeclared"] * 3


def test_what_is_not_comparable_has_a_footnote_and_no_difference() -> None:
    text = page(specs(figure(comparable=False, note="degenerate: all one class")), make_record(score=0.5))
    (table,) = tables_of(text)
    assert table[1][3] == "48.0^1,2,3"
    assert "(2) degenerate: all one class" in text and "(3) not to be compared with ours" in text
    silent = page(specs(figure(comparable=False)), make_record(score=0.5))
    assert "(2) not to be compared with ours" in silent


def test_a_metric_that_the_task_does_not_compute_has_a_column_of_its_own() -> None:
    dice = specs(
        figure(value=0.7, metric="mdice", metric_title="mDice with background"),
        figure(value=0.6, metric="map", metric_title="mAP of another reading"),
        figure(value=0.48),
    )
    (table,) = tables_of(page(dice, make_record(score=0.5)))
    columns = ["mAP", "mAP, reported", "mAP of another reading, reported", "mDice with background, reported"]
    assert columns_of(table)[2:6] == columns
    assert table[1][2:6] == ["50.0", "48.0 (+2.0)^1", "60.0^1", "70.0^1"]


@pytest.mark.parametrize(
    "change",
    [
        {"recipe_overrides": {"epochs": 1}},
        {"split": "row-level"},
        {"phantom": True},
        {"task_version": 1},
    ],
)
def test_only_real_tables_of_the_recipe_as_it_is_and_the_tasks_split_take_figures(change: dict[str, Any]) -> None:
    found = specs(figure())
    tables = build_tables([make_record(score=0.5, **change)], found)
    assert [table.reported for table in tables] == [()]
    assert [table.heading.recipe for table in reported_tables(tables, found)] == ["standard"]


def test_each_fraction_has_its_own_figure_and_a_difference_where_it_was_run() -> None:
    small = [figure(value=0.2, fraction=0.01), figure(value=0.3, fraction=0.1), figure(value=0.48)]
    records = [make_record(score=0.25, fraction=0.01), make_record(score=0.5)]
    (table,) = tables_of(page(specs(*small), *records))
    assert columns_of(table)[2:7] == [
        "mAP, 1 %",
        "mAP, 1 %, reported",
        "mAP, 100 %",
        "mAP, 100 %, reported",
        "mAP, 10 %, reported",
    ]
    assert table[1][2:7] == ["25.0", "20.0 (+5.0)^1", "50.0", "48.0 (+2.0)^1", "30.0^1"]


def test_a_metric_whose_smaller_fractions_have_no_column_still_gets_its_difference() -> None:
    records = [make_record(score=0.5, metrics={"loss": 0.4}, fraction=fraction) for fraction in (0.1, 1.0)]
    found = build_tables(records, specs(figure(metric="loss", value=0.3, fraction=0.1)))[0]
    ((own,),) = found.lines[0].reported
    assert own.difference == pytest.approx(0.1)


def test_two_papers_on_one_number_stand_in_one_cell() -> None:
    two = specs(figure(value=0.48), figure(value=0.55, source="Another, Table 1"))
    (table,) = tables_of(page(two, make_record(score=0.5)))
    assert table[1][3] == "48.0 (+2.0)^1; 55.0 (-5.0)^2"


def test_a_recipe_without_a_table_stands_in_a_section_reported() -> None:
    recipes = {"standard": Recipe(), "published": Recipe()}
    text = page(specs(figure(recipe="published"), recipes=recipes), make_record(score=0.5))
    before, after = text.split("\n## Reported\n")
    assert "48.0" not in before and "### Reported, recipe published" in after
    (table,) = tables_of(after)
    assert table == [["method", "mAP", "pretraining"], ["mgca@resnet50", "48.0^1", "overlaps"]]


def test_a_task_with_figures_and_no_record_has_a_page_and_its_methods_too() -> None:
    pages = build_pages([], specs(figure(), figure("Printed name")))
    assert set(pages) == {"README.md", "toy-det.md", "methods/mgca.md"}
    assert "No record on real data yet." in pages["toy-det.md"]
    assert "[toy-det](toy-det.md)" in pages["README.md"]


def test_a_name_that_no_plugin_provides_is_undeclared_and_never_blank() -> None:
    """A blank cell beside others that say ``overlaps`` would read as clean."""
    (alone,) = tables_of(build_pages([], specs(figure(), figure("MGCA-R50 (a paper)")))["toy-det.md"])
    assert [row[-1] for row in alone] == ["pretraining", "overlaps", "undeclared"]
    (beside,) = tables_of(page(specs(figure("MGCA-R50 (a paper)")), make_record(score=0.5)))
    assert [row[-1] for row in beside] == ["pretraining", "overlaps", "undeclared"]


def test_a_plain_number_keeps_its_unit_in_the_difference() -> None:
    ranks = MetricSpec(name="median-rank", title="median rank", higher_is_better=False, unit="plain")
    found = specs(figure(metric="median-rank", value=10.0), metrics=(*make_task().metrics, ranks))
    (table,) = tables_of(page(found, make_record(score=0.5, metrics={"median-rank": 12.5})))
    assert "10 (+2.5)^1" in table[1]


def test_a_note_alone_does_not_stand_for_not_comparable() -> None:
    text = page(specs(figure(note="read from a plot")), make_record(score=0.5))
    assert "(2) read from a plot" in text and "not to be compared" not in text
