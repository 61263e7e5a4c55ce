"""Plain numbers: as many digits as tell them apart, and no page that calls them percent."""

from __future__ import annotations

from pathlib import Path

import pytest

from medbench.leaderboard.pages import build_pages
from medbench.leaderboard.table import Specs
from medbench.leaderboard.text import plain, signed
from medbench.specs import MetricSpec, ReportedResult, TaskSpec
from medbench.store import ResultStore
from medbench.tables.comparisons import find_comparisons
from medbench.tables.overview import build_overviews, overview_section
from medbench.tables.pairing import paired_section, paired_tests
from tests.core.leaderboard_reader import tables_of
from tests.core.record_maker import make_record, make_task
from tests.core.table_toys import keep, toy_registry, toy_task

LOSS = MetricSpec(name="map", title="Loss", higher_is_better=False, unit="plain")
SHARE = MetricSpec(name="share", title="Share")


def page(task: TaskSpec, *scores: tuple[str, float]) -> str:
    records = [make_record(name, (score, 0.9 * score, 1.1 * score)) for name, score in scores]
    return build_pages(records, Specs({"toy-det": task}))["toy-det.md"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0.012, "0.012"), (0.044, "0.044"), (0.01234, "0.0123"), (3.0, "3"), (2.5, "2.5"), (2.345, "2.35")),
        *((9.999, "10"), (12.34, "12.3"), (12.0, "12"), (1234.0, "1,234"), (1234.5, "1,234.5"), (-0.0, "0")),
        *((-0.044, "-0.044"), (0.0000123, "1.23e-5"), (1.5e-12, "1.5e-12"), (1e12, "1,000,000,000,000"), (0.0, "0")),
    ],
)
def test_three_digits_below_ten_and_one_decimal_above(value: float, text: str) -> None:
    assert plain(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.032, "+0.032"), (-0.0321, "-0.0321"), (2.5, "+2.5"), (-1234.0, "-1,234"), (0.0, "+0")]
)
def test_a_difference_of_plain_numbers_has_as_many(value: float, text: str) -> None:
    assert signed(value, "plain") == text
    assert signed(0.0321, "percent") == "+3.2"


def test_small_plain_numbers_are_told_apart_and_ranked() -> None:
    (table,) = tables_of(page(make_task(metrics=(LOSS,)), ("mgca", 0.044), ("medst", 0.012), ("third", 0.01204)))
    assert [(row[0], row[1], row[2].split(" ")[0]) for row in table[1:]] == [
        ("1", "medst@resnet50", "0.012"),
        ("1", "third@resnet50", "0.012"),
        ("3", "mgca@resnet50", "0.044"),
    ]


def test_a_table_of_plain_numbers_does_not_speak_of_percent() -> None:
    figure = ReportedResult(
        method="mgca@resnet50", metric="map", value=0.05, fraction=1.0, recipe="standard", source="P, Table 1"
    )
    task = make_task(metrics=(LOSS,), reported=(figure,))
    text = page(task, ("mgca", 0.044))
    assert "- in brackets the 95 % interval over test patients" in text and "- percent" not in text
    assert "ours minus it" in text and "points" not in text
    methods = build_pages([make_record(score=(0.044, 0.04, 0.05))], Specs({"toy-det": task}))["methods/mgca.md"]
    assert "- in brackets the 95 %" in methods and "- percent" not in methods
    both = make_record(score=(0.044, 0.04, 0.05), metrics={"share": (0.5, 0.4, 0.6)})
    mixed = build_pages([both], Specs({"toy-det": make_task(metrics=(LOSS, SHARE))}))["toy-det.md"]
    assert "- percent, but plain numbers where a metric is no share; in brackets" in mixed
    assert "- percent; in brackets the 95 %" in page(make_task(), ("mgca", 0.5))


def test_the_overview_says_what_its_numbers_are() -> None:
    def notes(*metrics: MetricSpec) -> str:
        names = [f"toy-{index}" for index in range(len(metrics))]
        tasks = {name: make_task(id=name, metrics=(one,)) for name, one in zip(names, metrics, strict=True)}
        records = [make_record(score=0.5, task=name) for name in names]
        return overview_section(build_overviews(find_comparisons(records, Specs(tasks)).found)[0])

    share = MetricSpec(name="map", title="mAP")
    assert "have; percent\n" in notes(share)
    assert "percent" not in notes(LOSS)
    assert "have; percent, but plain numbers where" in notes(LOSS, share)


def test_paired_tests_of_a_plain_number_are_not_in_percent(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    keep(store, "mgca", 0.5)
    keep(store, "medst", 0.8)
    for unit in ("plain", "percent"):
        registry = toy_registry(toy_task(metrics=(MetricSpec(name="map", title="Score", unit=unit),)))
        (found,) = find_comparisons(store.read_all().records, Specs(registry.tasks)).found
        paired = paired_tests(found)
        assert paired is not None and paired.rows[0].test is not None
        rows = tables_of(paired_section(found, paired))[0]
        scale = 100 if unit == "percent" else 1
        value, difference = paired.value * scale, paired.rows[0].test.difference * scale
        assert float(rows[1][1]) == pytest.approx(value, abs=0.06)
        assert float(rows[2][2].split(" ")[0]) == pytest.approx(difference, abs=0.06 if scale > 1 else 0.0006)
        assert ("points of percent" in paired_section(found, paired)) is (unit == "percent")
