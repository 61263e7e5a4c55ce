"""The front page: the best of each task where the most methods can be compared, as in the table of mean ranks below it."""

from __future__ import annotations

import numpy as np
import pytest

from medbench.leaderboard.method_page import tables_by_method
from medbench.leaderboard.pages import build_pages
from medbench.leaderboard.table import Specs, build_tables
from medbench.records import Record
from medbench.tables import overview
from medbench.tables.comparisons import comparisons_of
from tests.core.leaderboard_reader import tables_of
from tests.core.record_maker import make_record, make_task

SPECS = Specs({"toy-det": make_task()})


def front(*records: Record, specs: Specs = SPECS) -> str:
    return build_pages(records, specs)["README.md"]


def replicated(method: str, score: float, **changes: object) -> Record:
    packed = np.random.default_rng(sum(map(ord, method))).normal(score, 0.02, 1000).astype("<f4").tobytes()
    return make_record(method, score, samples_sha256="s" * 64, replicates={"map": packed}, **changes)


def test_the_best_is_sought_where_the_most_methods_were_run() -> None:
    text = front(
        make_record("mgca", 0.7, fraction=0.1),
        make_record("medst", 0.6, fraction=0.1),
        make_record("third", 0.2, fraction=0.1),
        make_record("third", 0.5),
        make_record("fourth", 0.4),
    )
    best, ranks = tables_of(text)
    assert best[1] == [
        "toy-det",
        "toy",
        "mAP",
        "mgca@resnet50",
        "70.0 (10 % of the data; 1 of 4 methods not run at it)",
        "4",
    ]
    assert ranks[1][:3] == ["1", "mgca@resnet50", "1.00"]


def test_at_the_whole_of_the_data_it_says_who_was_not_run() -> None:
    records = [make_record("mgca", 0.5), make_record("medst", 0.6), make_record("third", 0.9, fraction=0.1)]
    assert tables_of(front(*records))[0][1][3:] == [
        "medst@resnet50",
        "60.0 (100 % of the data; 1 of 3 methods not run at it)",
        "3",
    ]
    assert tables_of(front(*records[:2]))[0][1][4] == "60.0"


def test_bold_in_the_mean_ranks_is_that_of_the_tasks_page_and_is_explained() -> None:
    text = front(replicated("mgca", 0.50), replicated("medst", 0.51), replicated("third", 0.30))
    ranks = text.split("## Recipe standard")[1]
    assert "**51.0**" in ranks and "**50.0**" in ranks and "**30.0**" not in ranks
    assert "- bold: the best of a column and what does not differ significantly from it" in ranks
    untested = front(make_record("mgca", 0.5), make_record("medst", 0.6)).split("## Recipe standard")[1]
    assert "- bold: the best of a column\n- underlined: the second" in untested


def test_a_page_of_a_method_looks_at_its_own_lines_alone() -> None:
    tables = build_tables([make_record(f"m{index}", 0.01 * index) for index in range(30)], SPECS)
    found = tables_by_method(tables, SPECS)
    assert len(found) == 30
    assert all(len(table.lines) == 1 for own in found.values() for table in own)


def test_ranks_among_many_methods_are_found_without_comparing_all_with_all(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    class Counted(float):
        def __lt__(self, other: float) -> bool:
            nonlocal compared
            compared += 1
            return float(self) < float(other)

    monkeypatch.setattr(overview.statistics, "fmean", lambda values: Counted(sum(values) / len(values)))
    records = [make_record(f"m{index}", 0.001 * index) for index in range(300)]
    (found,) = overview.build_overviews(comparisons_of(build_tables(records, SPECS), SPECS).found)
    assert [one.rank for one in found.standings] == list(range(1, 301))
    assert 0 < compared < 300 * 40  # all with all are 90,000
