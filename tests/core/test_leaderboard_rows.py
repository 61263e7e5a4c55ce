"""Which records share a row: only seeds are averaged, and two records of one trial are never settled silently."""

from __future__ import annotations

from medbench.leaderboard.pages import build_pages
from medbench.leaderboard.rows import conflicts_of, unique_records
from medbench.leaderboard.table import Line, Specs, build_tables
from medbench.records import Record
from medbench.tables.comparisons import find_comparisons
from tests.core.leaderboard_reader import tables_of
from tests.core.record_maker import make_record, make_task

SPECS = Specs({"toy-det": make_task()})


def lines_of(*records: Record) -> list[Line]:
    (table,) = build_tables(records, SPECS)
    return [line for line in table.lines if line.kind == "method"]


def trial(score: float, seed: int = 0, fraction: float = 1.0, key: str = "", **values: object) -> Record:
    return make_record(
        score=score,
        seed=seed,
        fraction=fraction,
        recipe_values=values,
        key=key or f"{score}-{seed}-{fraction}-{values}",
    )


def test_records_of_other_recipe_values_under_one_label_are_never_averaged() -> None:
    lines = lines_of(trial(0.4, seed=0, epochs=4, lr=1.0), trial(0.8, seed=1, epochs=400, lr=1.0))
    assert [(line.qualifier, line.seeds, line.cells[0].value) for line in lines if line.cells[0]] == [
        ("recipe epochs=400", (1,), 0.8),
        ("recipe epochs=4", (1,), 0.4),
    ]


def test_seeds_of_the_same_values_are_averaged_whatever_else_stands_apart() -> None:
    lines = lines_of(
        trial(0.4, seed=0, epochs=4), trial(0.6, seed=1, epochs=4), trial(0.8, seed=0, epochs=9), trial(0.7, seed=1)
    )
    assert [(line.qualifier, line.seeds) for line in lines] == [
        ("recipe epochs=9", (1,)),
        ("recipe e3b0c442", (1,)),  # no such field at all: told by a digest
        ("recipe epochs=4", (2,)),
    ]


def test_what_a_recipe_changes_between_fractions_does_not_part_a_row() -> None:
    (line,) = lines_of(trial(0.4, fraction=0.1, epochs=40), trial(0.5, fraction=1.0, epochs=4))
    assert line.qualifier == "" and [cell.value for cell in line.cells if cell] == [0.4, 0.5]


def test_rows_that_stand_apart_keep_their_other_fractions() -> None:
    lines = lines_of(
        trial(0.1, fraction=0.1, epochs=4, lr=2.0),
        trial(0.2, fraction=0.1, epochs=9, lr=2.0),
        trial(0.3, fraction=1.0, epochs=4, lr=1.0),
        trial(0.4, fraction=1.0, epochs=9, lr=1.0),
        trial(0.05, fraction=0.01, epochs=4, lr=3.0),
    )
    found = {line.qualifier: [None if cell is None else cell.value for cell in line.cells] for line in lines}
    assert found == {"recipe epochs=4": [0.05, 0.1, 0.3], "recipe epochs=9": [None, 0.2, 0.4]}


def test_long_values_are_told_apart_by_a_digest() -> None:
    lines = lines_of(trial(0.4, words="a" * 100), trial(0.5, words="b" * 100))
    assert len({line.qualifier for line in lines}) == 2
    assert all(len(line.qualifier) == len("recipe 12345678") for line in lines)


def test_methods_may_have_other_values() -> None:
    records = [
        make_record("mgca", 0.4, recipe_values={"lr": 1.0}),
        make_record("medst", 0.5, recipe_values={"lr": 2.0}),
    ]
    assert [line.qualifier for line in lines_of(*records)] == ["", ""]


def test_such_rows_are_contenders_of_their_own_in_tables() -> None:
    (found,) = find_comparisons([trial(0.4, epochs=4), trial(0.8, seed=1, epochs=9)], SPECS).found
    assert len({one.identity for one in found.contenders}) == 2


def test_two_records_of_one_trial_that_disagree_are_told_of() -> None:
    records = [make_record(score=0.5, key="k"), make_record(score=0.6, key="k"), make_record("medst", 0.7, key="k")]
    (line,) = conflicts_of(records)
    assert "mgca@resnet50 on toy-det, key k: 2 records that differ in map" in line
    assert conflicts_of([records[0], records[0], records[2]]) == []
    floors = [make_record(key="k", floors={"prior": {"map": value}}) for value in (0.1, 0.2)]
    assert "floor prior.map" in conflicts_of(floors)[0]


def test_a_key_is_that_of_a_method_and_a_task() -> None:
    records = [make_record("mgca", key="k"), make_record("medst", key="k"), make_record("mgca", key="k", task="other")]
    assert len(unique_records(records)) == 3
    assert [line.name for line in lines_of(*records[:2])] == ["medst@resnet50", "mgca@resnet50"]


def test_a_floor_and_a_ceiling_of_one_name_have_values_of_their_own() -> None:
    low, high = make_record(score=0.2).metrics["map"], make_record(score=0.9).metrics["map"]
    record = make_record(floors={"answers": {"map": low}}, ceilings={"answers": {"map": high}})
    (table,) = tables_of(build_pages([record], SPECS)["toy-det.md"])
    assert [row[1:3] for row in table[2:]] == [["answers", "20.0"], ["answers (ceiling)", "90.0"]]
