"""Metrics from the table alone: their identities, duplicates counted once, intervals over patients, medians."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from retrieval_toys import NAMES, manifest_of

from medbench.errors import TrialError, UnknownNameError
from medbench.statistics import patient_counts
from medbench_tasks.retrieval.floors import floor_tables
from medbench_tasks.retrieval.groups import group_values
from medbench_tasks.retrieval.metrics import estimates, replicate_answers, score_answers
from medbench_tasks.retrieval.pool import Pool, pool_of
from medbench_tasks.retrieval.predictions import SCHEMA, Answer, Answers, answer_table, queries_from
from medbench_tasks.retrieval.ranking import untied

ROWS = [(10, ["a", "b"]), (20, ["a"]), (10, ["c"]), (40, ["d", "D "]), (50, ["e"])]
PATIENTS = ["p0", "p1", "p0", "p2", "p2"]


def _pool(folder: Path) -> Pool:
    return pool_of(manifest_of(folder, ROWS, patients=PATIENTS))


def _table(pool: Pool, i2t: list[int], t2i: list[int]) -> pa.Table:
    """The same ranks, from 0, in both of the readings over distinct images and texts; exact pairs all right."""
    distinct = Answer(untied(np.array(i2t)), untied(np.array(t2i)))
    exact = Answer(untied(np.zeros(5, int)), untied(np.zeros(7, int)))
    return answer_table(pool, Answers(distinct, distinct, exact))


def test_recalls_sums_and_medians_count_each_image_and_text_once(tmp_path: Path) -> None:
    table = _table(_pool(tmp_path), [0, 3, 9, 20], [0, 0, 4, 5, 10])
    scores = score_answers(table, NAMES)
    values = {name: score.value for name, score in scores.items()}
    assert [values[f"i2t-r{cut}"] for cut in (1, 5, 10)] == [0.25, 0.5, 0.75]
    assert [values[f"t2i-r{cut}"] for cut in (1, 5, 10)] == [0.4, 0.6, 0.8]
    assert values["rsum"] == pytest.approx(3.3)
    assert values["mean-recall"] == values["embedding-mean-recall"] == pytest.approx(3.3 / 6)
    assert values["mean-recall-as-released"] == values["t2i-r1-as-released"] == 1
    assert values["i2t-median-rank"] == 7  # of 1, 4, 10, 21
    assert values["t2i-median-rank"] == 5
    numbers = {name: score.n for name, score in scores.items()}
    assert (numbers["i2t-r5"], numbers["t2i-r1"], numbers["rsum"], numbers["i2t-median-rank"]) == (4, 5, 9, 4)
    assert (numbers["i2t-r1-as-released"], numbers["t2i-r1-as-released"]) == (5, 7)
    assert (numbers["mean-recall-as-released"], numbers["embedding-mean-recall"]) == (12, 9)
    assert list(scores) == NAMES


def test_rows_ask_what_no_earlier_row_asked(tmp_path: Path) -> None:
    table = _table(_pool(tmp_path), [0, 1, 2, 3], [0, 1, 2, 3, 4])
    assert table.schema == SCHEMA
    assert table.column("final_i2t").is_valid().to_pylist() == [True, True, False, True, True]
    assert [len(one) for one in table.column("final_t2i").to_pylist()] == [2, 0, 1, 1, 1]
    assert [len(one) for one in table.column("released_t2i").to_pylist()] == [2, 1, 1, 2, 1]
    assert queries_from(table, "final", "t2i").row.tolist() == [0, 0, 2, 3, 4]
    assert queries_from(table.slice(2), "final", "i2t").counts.above.tolist() == [2, 3]
    assert set(table.column("pool_texts").to_pylist()) == {5}


def test_replicates_draw_patients(tmp_path: Path) -> None:
    table = _table(_pool(tmp_path), [0, 3, 9, 20], [0, 0, 4, 5, 10])
    counts = patient_counts(PATIENTS)
    replicates = replicate_answers(table, NAMES)
    hits, asked = np.array([1, 0, 0, 0, 0]), np.array([1, 1, 0, 1, 1])
    expected = np.array([(hits * draw).sum() / (asked * draw).sum() for draw in counts.T.astype(int)])
    np.testing.assert_allclose(replicates["i2t-r1"], expected)
    ranks = np.array([1, 4, 10, 21])
    drawn = counts[[0, 1, 3, 4]].T
    np.testing.assert_allclose(replicates["i2t-median-rank"], [np.median(np.repeat(ranks, draw)) for draw in drawn])
    score = score_answers(table, ["i2t-r10"])["i2t-r10"]
    assert score.low is not None
    assert score.high is not None
    assert score.low <= 0.75 <= score.high
    np.testing.assert_allclose(
        replicates["rsum"], sum(replicates[f"{way}-r{cut}"] for way in ("i2t", "t2i") for cut in (1, 5, 10))
    )


def test_a_draw_without_a_query_is_undefined(tmp_path: Path) -> None:
    table = _table(_pool(tmp_path), [0, 1, 2, 3], [0, 1, 2, 3, 4])
    nobody = np.array([[0], [0], [1], [0], [0]], np.uint8)
    found = estimates(table, ["i2t-r1", "t2i-r1", "i2t-median-rank"], nobody)
    assert np.isnan(found["i2t-r1"]).all()
    assert np.isnan(found["i2t-median-rank"]).all()
    assert found["t2i-r1"].tolist() == [0]


def test_the_chance_floor_is_the_expectation_of_a_random_order(tmp_path: Path) -> None:
    pool = _pool(tmp_path)
    floors = floor_tables(pool.rows.take([]), pool)
    assert list(floors) == ["chance"]
    values = {name: score.value for name, score in score_answers(floors["chance"], NAMES).items()}
    # Of 5 texts, the image shown twice has 3; of 4 images, text "a" has 2.
    assert values["i2t-r1"] == pytest.approx((3 / 5 + 3 * 1 / 5) / 4)
    assert values["t2i-r1"] == pytest.approx((2 / 4 + 4 * 1 / 4) / 5)
    assert values["i2t-r5"] == values["t2i-r5"] == 1
    assert values["i2t-r1-as-released"] == pytest.approx((2 * 2 + 3) / 7 / 5)
    assert values["t2i-r1-as-released"] == pytest.approx(1 / 5)


def test_usual_texts_come_in_the_order_of_the_training_part(tmp_path: Path) -> None:
    pool = _pool(tmp_path)
    (tmp_path / "train").mkdir()
    train = manifest_of(tmp_path / "train", [(1, ["E"]), (2, ["e", "E"]), (3, ["D"]), (4, ["x"])])
    floor = floor_tables(train, pool)["usual-texts"]
    # e, d, then a, b and c alike: the four images have a/b/c, a, d and e.
    assert queries_from(floor, "final", "i2t").counts.ranks().tolist() == [3, 4, 2, 1]
    assert queries_from(floor, "released", "i2t").counts.above.tolist() == [3, 3, 3, 1, 0]
    chance = floor_tables(train, pool)["chance"]
    assert floor.column("final_t2i") == chance.column("final_t2i")


def test_groups_are_of_the_rows_that_ask(tmp_path: Path) -> None:
    rows = [(index, [f"text {index}"]) for index in range(24)]
    ages = ["30", "61"] * 11 + ["", "99"]
    manifest = manifest_of(tmp_path, rows, sex=["F"] * 12 + ["M"] * 12, age=ages, view=["PA"] * 4 + [""] * 20)
    answer = Answer(untied(np.r_[np.zeros(12, int), np.full(12, 3)]), untied(np.zeros(24, int)))
    table = answer_table(pool_of(manifest), Answers(answer, answer, answer))
    found = {(one.grouping, one.group): one.value for one in group_values(table, ["i2t-r1"])}
    assert list(found) == [
        ("sex", "F"),
        ("sex", "M"),
        ("age", "<40"),
        ("age", "60-79"),
        ("age", "80+"),
        ("view", "PA"),
    ]
    assert (found["sex", "F"].value, found["sex", "M"].value) == (1, 0)
    assert found["sex", "M"].n == 12
    assert found["view", "PA"].value is None
    assert found["age", "80+"].note == "fewer than 10 samples"


def test_an_unknown_metric_and_an_empty_table_are_told(tmp_path: Path) -> None:
    table = _table(_pool(tmp_path), [0, 1, 2, 3], [0, 1, 2, 3, 4])
    with pytest.raises(UnknownNameError, match="i2t-r2"):
        score_answers(table, ["i2t-r2"])
    with pytest.raises(TrialError, match="no prediction"):
        score_answers(table.slice(0, 0), NAMES)
