"""What `leaderboard add` publishes and refuses, each record on its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from medbench.leaderboard.published import publish, published_store
from medbench.records import Record, encode
from medbench.specs import MetricSpec
from tests.core.record_maker import make_record, make_task

TASKS = {
    "toy-det": make_task(
        metrics=(
            MetricSpec(name="map", title="mAP"),
            MetricSpec(name="cider", title="CIDEr", largest=10.0),
            MetricSpec(name="rank", title="rank", unit="plain"),
        )
    )
}
KEY = "a" * 64


def refused(tmp_path: Path, *records: Record, replace: bool = False) -> list[str]:
    """What of ``records`` is refused; a good one beside them is taken."""
    good = make_record("good", key="c" * 64)
    added = publish([*records, good], tmp_path, TASKS, phantom=False, replace=replace)
    assert any("good@resnet50" in one for one in (*added.new, *added.unchanged))
    return added.refused


def test_publishing_copies_records_once_and_refuses_phantoms_and_unsafe_names(tmp_path: Path) -> None:
    good, phantom = make_record(key=KEY), make_record("medst", key="b" * 64, phantom=True)
    evil = make_record(task="../../outside", key="c" * 64)
    added = publish([good, phantom, evil], tmp_path, TASKS, phantom=False)
    assert (len(added.new), len(added.phantom), len(added.refused)) == (1, 1, 1)
    assert "no plain name" in added.refused[0]
    path = tmp_path / "records" / "toy-det" / "mgca@resnet50" / f"{KEY}.json"
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [path]
    assert len(publish([good], tmp_path, TASKS, phantom=False).unchanged) == 1
    assert len(publish([phantom], tmp_path, TASKS, phantom=True).new) == 1
    assert [one.phantom for one in published_store(tmp_path).read_all().records] == [True, False]


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (make_record(score=1.7e308), "map is 1.7e+308"),
        (make_record(score=float("nan")), "is nan"),
        (make_record(fraction=3.0), "its fraction is 3.0"),
        (make_record(fraction=-1.0), "its fraction is -1.0"),
        (make_record(test_n=-7), "it has -7 test samples"),
        (make_record(score=50.0), "map is 50, a share of at most 1"),
        (make_record(score=(0.5, 0.4, 1.2)), "map is 1.2"),
        (make_record(metrics={"cider": 11.0}), "cider is 11, a share of at most 10"),
        (make_record(floors={"prior": {"map": 12.0}}), "prior.map is 12"),
        (make_record(ceilings={"best.of": {"map": make_record(score=3.0).metrics["map"]}}), "best.of.map is 3"),
    ],
)
def test_numbers_that_cannot_be_are_refused_and_the_others_go_on(tmp_path: Path, record: Record, told: str) -> None:
    (line,) = refused(tmp_path, record)
    assert told in line and "mgca@resnet50 on toy-det" in line


def test_what_nobody_can_judge_is_taken(tmp_path: Path) -> None:
    records = [
        make_record(metrics={"rank": 900.0, "cider": 9.5, "of-a-plugin": 50.0}, key=KEY),
        make_record(score=50.0, task="gone", key=KEY),
    ]
    assert refused(tmp_path, *records) == []


def test_a_record_that_contradicts_the_published_one_is_refused_unless_it_may_replace_it(tmp_path: Path) -> None:
    publish([make_record(score=0.5, key=KEY)], tmp_path, TASKS, phantom=False)
    other = make_record(score=0.9, key=KEY, metrics={"rank": 2.0})
    (line,) = refused(tmp_path, other)
    assert "differs in map, rank (--replace takes this one)" in line
    path = tmp_path / "records" / "toy-det" / "mgca@resnet50" / f"{KEY}.json"
    assert path.read_bytes() == encode(make_record(score=0.5, key=KEY))
    assert refused(tmp_path, other, replace=True) == []
    assert path.read_bytes() == encode(other)


def test_the_same_numbers_replace_what_is_published_without_a_word(tmp_path: Path) -> None:
    publish([make_record(key=KEY)], tmp_path, TASKS, phantom=False)
    rescored = make_record(key=KEY, samples_sha256="s" * 64, replicates={"map": b"1234"})
    assert len(publish([rescored], tmp_path, TASKS, phantom=False).replaced) == 1


def test_a_damaged_published_record_is_mended_and_one_of_the_future_is_left(tmp_path: Path) -> None:
    record = make_record(key=KEY)
    publish([record], tmp_path, TASKS, phantom=False)
    path = tmp_path / "records" / "toy-det" / "mgca@resnet50" / f"{KEY}.json"
    path.write_text("{")
    assert refused(tmp_path, record) == []
    path.write_bytes(encode(record).replace(b'"schema": 3', b'"schema": 99'))
    assert "upgrade medbench" in refused(tmp_path, record, replace=True)[0]


def test_two_given_records_of_one_trial_that_disagree_are_both_refused(tmp_path: Path) -> None:
    lines = refused(tmp_path, make_record(score=0.5, key=KEY), make_record(score=0.9, key=KEY), replace=True)
    assert len(lines) == 2 and all("2 records of that trial are given, which differ in map" in one for one in lines)
    twins = [make_record("mgca", 0.5, key=KEY), make_record("medst", 0.9, key=KEY)]  # a key is of one method alone
    assert refused(tmp_path, *twins) == []
