"""Shared bold: paired bootstrap against the best of the column, Holm-corrected, and nothing where there is no test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.leaderboard.cells import Cell
from medbench.leaderboard.pages import build_pages
from medbench.leaderboard.significance import LEVEL
from medbench.leaderboard.table import Specs, Table, build_tables
from medbench.records import MetricValue, Record
from medbench.replicates import holm, pair
from tests.core.record_maker import make_record, make_task

SPECS = Specs({"toy-det": make_task()})


def replicated(
    method: str, score: float, *, spread: float = 0.02, seed: int = 0, samples: str = "s" * 64, **changes: object
) -> Record:
    """A record whose replicates scatter around its score, independent of other methods'."""
    generator = np.random.default_rng([sum(map(ord, method)), seed])
    packed = generator.normal(score, spread, 1000).astype("<f4").tobytes()
    own = {"samples_sha256": samples, "replicates": {"map": packed}, **changes}
    return make_record(method, score, seed=seed, **own)


def cells(*records: Record, metric: str = "map") -> dict[str, Cell]:
    table = one_table(*records)
    index = next(index for index, column in enumerate(table.columns) if column.metric == metric)
    return {line.name.split("@")[0]: cell for line in table.lines if (cell := line.cells[index]) is not None}


def one_table(*records: Record) -> Table:
    (table,) = build_tables(records, SPECS)
    return table


def test_what_does_not_differ_significantly_shares_the_bold_and_the_rest_does_not() -> None:
    records = [replicated("mgca", 0.50), replicated("medst", 0.51), replicated("third", 0.30)]
    found = cells(*records)
    assert {name: (cell.place, cell.tied) for name, cell in found.items()} == {
        "medst": (1, True),
        "mgca": (2, True),
        "third": (3, False),
    }
    page = build_pages(records, SPECS)["toy-det.md"]
    assert "**51.0**" in page and "**50.0**" in page and "**30.0**" not in page
    assert "<ins>" not in page
    assert "Holm-corrected" in page


def test_the_p_values_are_those_of_pair_after_holm() -> None:
    best = [replicated("best", 0.60, seed=seed) for seed in (0, 1)]
    others = {
        name: [replicated(name, score, seed=seed) for seed in (0, 1)]
        for name, score in (("mgca", 0.57), ("medst", 0.55), ("third", 0.59))
    }
    found = cells(*best, *(record for records in others.values() for record in records))
    tests = [pair(records, best, "map").test for records in others.values()]
    expected = holm([test.p_value for test in tests if test is not None])
    assert [found[name].p_value for name in others] == pytest.approx(expected)
    assert [found[name].tied for name in others] == [p >= LEVEL for p in expected]
    assert found["best"].p_value is None and found["best"].tied


def test_holm_ties_what_a_single_test_would_tell_apart() -> None:
    pairs = [("mgca", 0.528), *((f"m{index:02}", 0.59) for index in range(12))]
    alone = cells(replicated("best", 0.6), replicated("mgca", 0.528))
    crowd = cells(replicated("best", 0.6), *(replicated(name, score) for name, score in pairs))
    assert not alone["mgca"].tied and crowd["mgca"].tied


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"samples_sha256": "t" * 64}, "other test samples"),
        ({"samples_sha256": None}, "do not say which they are"),
        ({"test_patients": None}, "do not say which they are"),
        ({"replicates": {}}, "keep no replicates"),
        ({"replicates": {"map": b"12345"}}, "keep no replicates"),
        ({"replicates": {"map": b"\0" * 40}}, "other test samples"),
        ({"replicates": {"map": np.full(1000, np.nan, "<f4").tobytes()}}, "too few draws"),
    ],
)
def test_a_row_that_cannot_be_paired_is_never_bold_and_is_told_of(change: dict[str, object], reason: str) -> None:
    records = [replicated("best", 0.51), replicated("mgca", 0.50, **change)]
    cell = cells(*records)["mgca"]
    assert not cell.tied and reason in cell.untested
    page = build_pages(records, SPECS)["toy-det.md"]
    assert "<ins>50.0</ins>" in page
    assert "not tested against the best of its column, 1 cell: " in page


@pytest.mark.parametrize(
    ("best", "reason"),
    [
        ([make_record("best", 0.51)], "keep no replicates"),
        ([replicated("best", 0.51), make_record("best", None, seed=1)], "undefined or absent in some seed"),
        ([replicated("best", 0.51), replicated("best", 0.51, seed=1, samples="t" * 64)], "do not agree on their test"),
    ],
)
def test_a_best_that_cannot_be_paired_leaves_the_others_untested_and_says_why(best: list[Record], reason: str) -> None:
    found = cells(*best, replicated("mgca", 0.50))
    assert found["best"].tied and not found["mgca"].tied
    assert found["mgca"].untested.startswith("nothing can be tested against the best: ")
    assert reason in found["mgca"].untested


def test_a_seed_without_a_value_is_no_test() -> None:
    undefined = replicated("mgca", 0.5, seed=1, metrics={"map": MetricValue(None, note="no positive")})
    found = cells(replicated("best", 0.6), replicated("mgca", 0.59), undefined)
    assert not found["mgca"].tied and "undefined" in found["mgca"].untested


def test_a_clear_lead_survives_more_tests_than_the_replicates_alone_could_resolve() -> None:
    found = cells(replicated("best", 0.9), *(replicated(f"m{index:02}", 0.2) for index in range(26)))
    assert [name for name, cell in found.items() if cell.tied] == ["best"]
    assert found["m03"].untested == ""


def test_equal_as_printed_is_bold_without_a_test() -> None:
    found = cells(make_record("mgca", 0.50001), make_record("medst", 0.50002))
    assert all(cell.tied and cell.place == 1 for cell in found.values())


def test_what_is_worse_in_every_draw_is_not_bold_even_where_it_prints_the_same() -> None:
    generator = np.random.default_rng(0)
    common = generator.normal(0.5, 0.02, 1000)
    own = {name: (common + shift).astype("<f4").tobytes() for name, shift in (("best", 0.0), ("mgca", -0.0004))}
    records = [
        make_record(name, score, samples_sha256="s" * 64, replicates={"map": own[name]})
        for name, score in (("best", 0.5004), ("mgca", 0.5001))
    ]
    found = cells(*records)
    assert found["best"].place == found["mgca"].place == 1
    assert found["mgca"].p_value is not None and found["mgca"].p_value < LEVEL
    assert found["best"].tied and not found["mgca"].tied


def test_lower_is_better_tests_against_the_lowest() -> None:
    def lossy(method: str, loss: float) -> Record:
        generator = np.random.default_rng(sum(map(ord, method)))
        packed = generator.normal(loss, 0.02, 1000).astype("<f4").tobytes()
        return replicated(method, 0.5, metrics={"loss": loss}, replicates={"loss": packed})

    found = cells(lossy("mgca", 0.2), lossy("medst", 0.21), lossy("third", 0.9), metric="loss")
    assert [name for name, cell in sorted(found.items()) if cell.tied] == ["medst", "mgca"]


def test_no_direction_no_bold() -> None:
    (table,) = build_tables([replicated("mgca", 0.5), replicated("medst", 0.9)], Specs())
    assert not any(cell.tied or cell.place for line in table.lines for cell in line.cells if cell)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_the_best_is_always_bold_and_only_tests_or_equality_share_it(scores: list[float], without: int) -> None:
    records = [
        replicated(f"m{index}", score) if index != without else make_record(f"m{index}", score)
        for index, score in enumerate(scores)
    ]
    found = cells(*records).values()
    assert any(cell.place == 1 for cell in found)
    assert any(cell.tied for cell in found)
    for cell in found:
        assert cell.tied == (cell.place == 1 if cell.p_value is None else cell.p_value >= LEVEL)
        assert cell.p_value is None or not cell.untested
