"""Leaderboards: what is ranked with what, and which marks a cell carries."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from medbench.leaderboard.pages import build_pages, table_text
from medbench.leaderboard.table import Specs
from medbench.records import MetricValue, Record
from medbench.specs import MetricSpec, TaskSpec
from tests.core.record_maker import make_method, make_record, make_task, metric

TASKS = {"toy-det": make_task()}
METHODS = {
    "mgca": make_method("mgca", ("mimic",)),
    "medst": make_method("medst", ("mimic", "toy")),
    "third": make_method("third", None),
}
SPECS = Specs(TASKS, METHODS)


def _page(*records: Record, task: TaskSpec | None = None) -> str:
    return build_pages(records, Specs({"toy-det": task} if task else TASKS, METHODS))["toy-det.md"]


def _rows(page: str) -> list[list[str]]:
    """The cells of every table row of a page, header and rule left out."""
    lines = [line for line in page.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if row[0] != "rank" and not set(row[1]) <= set("-:")]


def _header(page: str) -> list[str]:
    line = next(line for line in page.splitlines() if line.startswith("|"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_rows_are_sorted_by_the_ranking_metric_with_best_in_bold_and_second_underlined() -> None:
    rows = _rows(_page(make_record("mgca", 0.5), make_record("medst", (0.71, 0.6, 0.8)), make_record("third", 0.3)))
    assert [row[:2] for row in rows] == [["1", "medst@resnet50"], ["2", "mgca@resnet50"], ["3", "third@resnet50"]]
    assert [row[2] for row in rows] == ["**71.0** [60.0, 80.0]", "<ins>50.0</ins>", "30.0"]


def test_a_metric_that_is_better_when_lower_marks_its_lowest() -> None:
    records = [make_record("mgca", 0.5, metrics={"loss": 0.2}), make_record("medst", 0.7, metrics={"loss": 0.9})]
    rows = _rows(_page(*records))
    assert [row[3] for row in rows] == ["<ins>90.0</ins>", "**20.0**"]


def test_equal_as_printed_shares_the_place_and_no_second_is_named() -> None:
    rows = _rows(_page(make_record("mgca", 0.50001), make_record("medst", 0.50002), make_record("third", 0.1)))
    assert [row[0] for row in rows] == ["1", "1", "3"]
    assert [row[2] for row in rows] == ["**50.0**", "**50.0**", "10.0"]


def test_the_largest_fraction_ranks_and_a_missing_combination_is_a_dash() -> None:
    page = _page(
        make_record("mgca", 0.9, fraction=0.01),
        make_record("mgca", 0.5, fraction=1.0),
        make_record("medst", 0.6, fraction=1.0),
        make_record("third", 0.95, fraction=0.01),
    )
    assert _header(page)[2:4] == ["mAP, 1 %", "mAP, 100 %"]
    rows = _rows(page)
    assert [row[:4] for row in rows] == [
        ["1", "medst@resnet50", "–", "**60.0**"],
        ["2", "mgca@resnet50", "<ins>90.0</ins>", "<ins>50.0</ins>"],
        ["–", "third@resnet50", "**95.0**", "–"],
    ]


def test_seeds_are_averaged_with_their_deviation_and_the_mean_of_their_bounds() -> None:
    page = _page(make_record(score=(0.4, 0.3, 0.5), seed=0), make_record(score=(0.6, 0.4, 0.8), seed=1))
    row = _rows(page)[0]
    assert row[2] == "**50.0** ± 14.1 [35.0, 65.0]"
    assert row[-4] == "2"
    assert "standard deviation over seeds" in page


def test_phantom_records_stand_in_their_own_section_and_do_not_touch_real_ranks() -> None:
    real = make_record("mgca", 0.4)
    page = _page(real, make_record("medst", 0.99, phantom=True))
    before, after = page.split("## Phantom")
    assert before.strip() == _page(real).strip()
    assert "Generated data" in after
    assert [row[:2] for row in _rows(after)] == [["1", "medst@resnet50"]]
    overview = build_pages([real, make_record("medst", 0.99, phantom=True)], SPECS)["README.md"]
    assert "medst@" not in overview


def test_changed_recipes_splits_and_versions_never_share_a_table() -> None:
    page = _page(
        make_record("mgca", 0.4),
        make_record("medst", 0.5, recipe_overrides={"epochs": 1}),
        make_record("medst", 0.6, recipe="mgca"),
        make_record("medst", 0.7, split="row-level"),
        make_record("medst", 0.8, task_version=1),
    )
    assert all(row[0] == "1" for row in _rows(page))
    assert len(_rows(page)) == 5
    headings = [line for line in page.splitlines() if line.startswith("#")]
    assert headings[1] == "## Recipe standard, split official, data dddddddd"
    assert headings[-2:] == [
        "## Set aside: other versions of the task",
        "### Version 1, recipe standard, split official, data dddddddd",
    ]


def test_floors_are_unranked_italic_rows_and_mark_what_is_not_above_the_best_of_them() -> None:
    floors = {"empty": {"map": 0.1}, "mean-box": {"map": (0.35, 0.3, 0.4)}}
    page = _page(
        make_record("mgca", (0.5, 0.34, 0.6), floors=floors), make_record("medst", (0.5, 0.36, 0.6), floors=floors)
    )
    rows = {row[1]: row for row in _rows(page)}
    assert rows["mgca@resnet50"][2].endswith("†")
    assert not rows["medst@resnet50"][2].endswith("†")
    assert list(rows)[-2:] == ["*empty*", "*mean-box*"]
    assert rows["*mean-box*"][0] == ""
    assert rows["*mean-box*"][2] == "*35.0 [30.0, 40.0]*"
    assert "† the 95 % interval is not above" in page


def test_ceilings_stand_last_and_mark_nothing() -> None:
    bounds = {"floors": {"empty": {"map": 0.1}}, "ceilings": {"answer-space": {"map": metric(0.9)}}}
    rows = _rows(_page(make_record("mgca", (0.5, 0.4, 0.6), **bounds)))
    assert [row[1] for row in rows] == ["mgca@resnet50", "*empty*", "*answer-space* (ceiling)"]
    assert rows[0][0] == "1"
    assert not rows[0][2].endswith("†")
    assert rows[2][2] == "*90.0*"


def test_a_plain_number_is_shown_as_it_is() -> None:
    ranks = MetricSpec(name="median-rank", title="median rank", higher_is_better=False, unit="plain")
    task = make_task(metrics=(*make_task().metrics, ranks))
    records = [make_record(name, metrics={"median-rank": rank}) for name, rank in (("mgca", 12.0), ("medst", 1234.5))]
    rows = _rows(_page(*records, task=task))
    assert {row[1].split("@")[0]: row[-6] for row in rows} == {"mgca": "**12**", "medst": "<ins>1,234.5</ins>"}


def test_a_lower_is_better_cell_is_marked_unless_its_upper_bound_is_under_the_floor() -> None:
    floors = {"constant": {"loss": 0.5}}
    good = make_record("mgca", 0.5, metrics={"loss": (0.3, 0.2, 0.4)}, floors=floors)
    poor = make_record("medst", 0.4, metrics={"loss": (0.4, 0.3, 0.5)}, floors=floors)
    marks = {row[1]: row[3].endswith("†") for row in _rows(_page(good, poor))}
    assert marks["medst@resnet50"]
    assert not marks["mgca@resnet50"]


def test_pretraining_on_the_tasks_dataset_is_shown() -> None:
    rows = _rows(_page(*(make_record(name) for name in ("mgca", "medst", "third", "gone"))))
    assert {row[1].split("@")[0]: row[-1] for row in rows} == {
        "mgca": "clean",
        "medst": "overlaps",
        "third": "undeclared",
        "gone": "undeclared",
    }


def test_an_undefined_metric_is_a_dash_with_its_reason_below() -> None:
    page = _page(make_record(score=None), make_record("medst", 0.4, metrics={"old": None}))
    rows = _rows(page)
    assert rows[1][:3] == ["–", "mgca@resnet50", "–<sup>1</sup>"]
    assert "- (1) no positive image" in page
    assert "Old mAP (as released)" in _header(page)


def test_a_seed_without_a_value_is_told_of_and_not_counted_as_zero() -> None:
    page = _page(make_record(score=0.4, seed=0), make_record(score=None, seed=1))
    assert _rows(page)[0][2] == "**40.0**<sup>1</sup>"
    assert "undefined in 1 of 2 seeds: no positive image" in page


def test_records_of_another_checkpoint_stay_apart() -> None:
    first = make_record(score=0.4, key="a", checkpoint_sha256="1" * 64)
    other = make_record(score=0.6, key="b", checkpoint_sha256="2" * 64)
    rows = _rows(_page(first, other))
    assert [row[1] for row in rows] == ["mgca@resnet50 (checkpoint 22222222)", "mgca@resnet50 (checkpoint 11111111)"]
    assert [row[2] for row in rows] == ["**60.0**", "<ins>40.0</ins>"]


def test_results_on_other_data_are_never_ranked_beside_each_other() -> None:
    whole = make_record("mgca", 0.4, key="a", manifest_sha256="1" * 64, test_n=200)
    half = make_record("medst", 0.6, key="b", manifest_sha256="2" * 64, test_n=20)
    page = _page(half, whole)
    assert [row[0] for row in _rows(page)] == ["1", "1"]
    assert page.index("data 11111111") < page.index("data 22222222")


def test_two_records_of_one_trial_are_shown_by_key_and_one_record_given_twice_once() -> None:
    rows = _rows(_page(make_record(score=0.4, key="aaaa"), make_record(score=0.6, key="bbbb")))
    assert [row[1] for row in rows] == ["mgca@resnet50 (key bbbb)", "mgca@resnet50 (key aaaa)"]
    assert len(_rows(_page(make_record(), make_record()))) == 1


def test_a_task_whose_plugin_is_gone_gets_an_unranked_page() -> None:
    pages = build_pages([make_record(), make_record("medst", 0.9)], Specs())
    assert "plugin is not installed" in pages["toy-det.md"]
    assert {row[0] for row in _rows(pages["toy-det.md"])} == {"–"}
    assert "**" not in pages["toy-det.md"]


def test_a_metric_over_fewer_samples_says_how_many() -> None:
    page = _page(make_record(metrics={"old": MetricValue(0.3, n=17)}))
    assert "Old mAP (as released), n = 17" in _header(page)


def test_the_order_of_records_does_not_change_a_byte() -> None:
    records = [
        make_record(method, (0.1 * index + 0.2, 0.1, 0.9), seed=seed, fraction=fraction, phantom=phantom)
        for index, method in enumerate(("mgca", "medst", "third"))
        for seed in (0, 1, 2)
        for fraction in (0.1, 1.0)
        for phantom in (False, True)
    ]
    expected = build_pages(records, SPECS)
    text = table_text(records, SPECS)
    for seed in range(5):
        random.Random(seed).shuffle(records)
        assert build_pages(records, SPECS) == expected
        assert table_text(records, SPECS) == text


def test_a_narrow_terminal_is_told_what_it_does_not_show() -> None:
    records = [
        make_record("mgca", (0.6, 0.5, 0.7), metrics={"loss": 1.0, "old": 0.5}, fraction=fraction)
        for fraction in (0.1, 1.0)
    ]
    whole, narrow, tiny = (table_text(records, SPECS, width) for width in (None, 130, 10))
    assert "Loss" in whole.splitlines()[2] and "too wide" not in whole
    assert max(map(len, narrow.splitlines()[2:5])) <= 130
    assert "too wide to be shown here: Old mAP" in narrow
    for text in (narrow, tiny):
        assert text.count("60.0 [50.0, 70.0]") == 2  # what ranks is always there, at every fraction
    assert "too wide to be shown here: Loss, Old mAP" in tiny


def test_the_overview_names_the_best_method_and_links_to_the_page() -> None:
    overview = build_pages([make_record(), make_record("medst", (0.9, 0.8, 0.95))], SPECS)["README.md"]
    assert _rows(overview)[1] == [
        "[toy-det](toy-det.md)",
        "toy",
        "mAP",
        "medst@resnet50",
        "**90.0** [80.0, 95.0]",
        "2",
    ]


def test_building_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; sys.modules.update(numpy=None, torch=None, pandas=None)\n"
        "from medbench.leaderboard.pages import build_pages, table_text\n"
        "from medbench.leaderboard.table import Specs\n"
        "from tests.core.record_maker import make_record, make_task\n"
        "build_pages([make_record()], Specs({'toy-det': make_task()})); print(table_text([make_record()], Specs()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr
    assert "mgca@resnet50" in done.stdout
