"""The overview and the label-efficiency table, from records alone."""

from __future__ import annotations

import csv
import io

from medbench.leaderboard.table import Specs
from medbench.records import Record
from medbench.tables.comparisons import Comparison, find_comparisons
from medbench.tables.efficiency import efficiency_csv, efficiency_section
from medbench.tables.overview import build_overviews, overview_csv, overview_section, shared_fraction
from tests.core.record_maker import make_record
from tests.core.table_toys import table_rows, toy_registry, toy_task

REGISTRY = toy_registry(*(toy_task(id=name) for name in ("toy-det", "toy-two", "toy-three")))


def compare(*records: Record) -> tuple[Comparison, ...]:
    return find_comparisons(records, Specs(REGISTRY.tasks)).found


def efficiency(*records: Record) -> list[list[str]]:
    return table_rows(efficiency_section(compare(*records)[0]), "Label efficiency")


def test_methods_stand_against_fractions_with_seeds_averaged_and_floors_last() -> None:
    rows = efficiency(
        make_record("mgca", (0.4, 0.3, 0.5), fraction=0.01, floors={"prior": {"map": 0.2}}),
        make_record("mgca", (0.6, 0.5, 0.7), fraction=0.01, seed=1, floors={"prior": {"map": 0.2}}),
        make_record("mgca", (0.8, 0.7, 0.9), floors={"prior": {"map": 0.25}}),
        make_record("medst", (0.7, 0.6, 0.8), floors={"prior": {"map": 0.25}}),
    )
    assert rows[0] == ["method", "1 %", "100 %", "n", "seeds"]
    assert rows[1] == ["mgca@resnet50", "**50.0** ± 14.1 [40.0, 60.0]", "**80.0** [70.0, 90.0]", "200", "1–2"]
    assert rows[2] == ["medst@resnet50", "–", "<ins>70.0</ins> [60.0, 80.0]", "200", "1"]
    assert rows[3] == ["*prior*", "*20.0*", "*25.0*", "200", ""]


def test_a_cell_whose_interval_reaches_the_floor_is_marked() -> None:
    record = make_record("mgca", (0.5, 0.2, 0.7), floors={"prior": {"map": 0.2}})
    page = efficiency_section(compare(record)[0])
    assert "**50.0** [20.0, 70.0] †" in page
    assert "not above the best trivial floor" in page


def test_an_undefined_cell_is_a_dash_with_its_reason() -> None:
    page = efficiency_section(compare(make_record("mgca", None), make_record("medst", 0.5))[0])
    assert "–<sup>1</sup>" in page
    assert "(1) no positive image" in page


def test_the_csv_holds_the_same_numbers_as_shares_of_one() -> None:
    found = compare(make_record("mgca", (0.5, 0.4, 0.6), floors={"prior": {"map": 0.2}}))[0]
    rows = list(csv.DictReader(io.StringIO(efficiency_csv(found).decode())))
    assert [(row["kind"], row["method"], row["value"]) for row in rows] == [
        ("method", "mgca@resnet50", "0.5"),
        ("floor", "prior", "0.2"),
    ]
    assert (rows[0]["low"], rows[0]["high"], rows[0]["train_n"], rows[0]["test_n"]) == ("0.4", "0.6", "10", "200")


def test_other_versions_and_unknown_tasks_are_left_out_with_the_reason() -> None:
    found = find_comparisons(
        [make_record(), make_record(task_version=1), make_record(task="gone")], Specs(REGISTRY.tasks)
    )
    assert len(found.found) == 1
    assert found.left_out == (
        "gone: no installed plugin has that task",
        "toy-det: records of its version 1 are set aside, installed is 2",
    )


def test_only_methods_with_every_task_are_ranked_by_mean_rank() -> None:
    scores = {
        "toy-det": {"mgca": 0.9, "medst": 0.5, "third": 0.7},
        "toy-two": {"mgca": 0.6, "medst": 0.8, "third": 0.4},
        "toy-three": {"mgca": 0.6, "medst": 0.5},
    }
    records = [make_record(m, v, task=task) for task, values in scores.items() for m, v in values.items()]
    overview = build_overviews(compare(*records))[0]
    rows = table_rows(overview_section(overview), "Recipe standard")
    assert [row[:4] for row in rows[1:]] == [
        ["1", "mgca@resnet50", "1.33", "3 of 3"],
        ["2", "medst@resnet50", "2.00", "3 of 3"],
        ["–", "third@resnet50", "2.50", "2 of 3"],
    ]
    third = next(row for row in rows if row[1] == "third@resnet50")
    assert third[4:].count("–") == 1
    assert rows[0][4] == "toy-det: mAP, 100 %"


def test_equal_as_printed_shares_the_mean_of_its_places() -> None:
    records = [make_record("mgca", 0.5), make_record("medst", 0.50001), make_record("third", 0.1)]
    standings = build_overviews(compare(*records))[0].standings
    assert [(one.title, one.mean_rank, one.rank) for one in standings] == [
        ("medst@resnet50", 1.5, 1),
        ("mgca@resnet50", 1.5, 1),
        ("third@resnet50", 3.0, 3),
    ]


def test_the_largest_common_fraction_is_shown() -> None:
    records = [
        make_record("mgca", 0.9),
        make_record("mgca", 0.4, fraction=0.1),
        make_record("medst", 0.5, fraction=0.1),
    ]
    found = compare(*records)
    assert shared_fraction(found[0]) == 0.1
    rows = table_rows(overview_section(build_overviews(found)[0]), "Recipe standard")
    assert rows[0][4].endswith("10 %")
    assert [row[0:2] for row in rows[1:]] == [["1", "medst@resnet50"], ["2", "mgca@resnet50"]]


def test_phantom_and_other_recipes_have_overviews_of_their_own() -> None:
    records = [
        make_record("mgca", 0.5),
        make_record("mgca", 0.9, phantom=True),
        make_record("mgca", 0.7, recipe_overrides={"epochs": 9}),
    ]
    overviews = build_overviews(compare(*records))
    assert [tuple(one.group) for one in overviews] == [
        (False, "standard"),
        (False, "standard[epochs=9]"),
        (True, "standard"),
    ]
    assert "## Generated data, recipe standard" in overview_section(overviews[2])
    rows = list(csv.DictReader(io.StringIO(overview_csv(overviews).decode())))
    assert [(row["phantom"], row["value"]) for row in rows] == [("false", "0.5"), ("false", "0.7"), ("true", "0.9")]


def test_a_second_split_of_a_task_does_not_count_twice() -> None:
    records = [make_record("mgca", 0.5), make_record("mgca", 0.9, split="other")]
    overview = build_overviews(compare(*records))[0]
    assert len(overview.columns) == 1
    assert overview.standings[0].cells[0] is not None and overview.standings[0].cells[0].value == 0.5
    assert "left out, on a page of its own: toy-det (recipe standard, split other" in overview_section(overview)


def test_two_checkpoints_of_a_method_stay_apart_across_tasks() -> None:
    records = [
        make_record("mgca", 0.5),
        make_record("mgca", 0.6, checkpoint_sha256="a" * 64),
        make_record("mgca", 0.7, task="toy-two"),
    ]
    standings = build_overviews(compare(*records))[0].standings
    assert {one.title: one.tasks for one in standings} == {
        "mgca@resnet50 (checkpoint cccccccc)": 2,
        "mgca@resnet50 (checkpoint aaaaaaaa)": 1,
    }


def test_the_best_floor_of_each_task_closes_the_overview() -> None:
    floors = {"prior": {"map": 0.2}, "guess": {"map": 0.3}}
    rows = table_rows(overview_section(build_overviews(compare(make_record(floors=floors)))[0]), "Recipe standard")
    assert rows[-1] == ["", "*best floor*", "", "", "*30.0*"]
