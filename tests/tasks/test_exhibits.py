"""Examples to look at: right before wrong, spread over the scores, the same whatever the order of the rows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_toys import SAMPLES, kept

from medbench.loading import resolve
from medbench.protocols import Example
from medbench.samples import Mask
from medbench.specs import TaskSpec
from medbench_tasks.catalogue import TASKS
from medbench_tasks.exhibits import better_half, spread

BY_ID = {task.id: task for task in TASKS}
BY_HALF = ("siim-seg", "iu-xray-gen")
LOADERS = {task.loader: task for task in reversed(TASKS)}


def shown(task: TaskSpec, count: int = 3, table: object = None) -> list[Example]:
    protocol = resolve(task.loader, task.id)
    return list(protocol.examples(task, task.recipes["standard"], kept(task) if table is None else table, count))


def filled(table: pa.Table, name: str, value: object) -> pa.Table:
    """The table with that value in every row of a column."""
    place = table.schema.get_field_index(name)
    field = table.schema.field(place)
    return table.set_column(place, field, pa.array([value] * table.num_rows, field.type))


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.5, 1.0, np.nan])), max_size=30), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_as_many_of_each_side_as_there_are(rows: list[tuple[bool, float]], count: int) -> None:
    right, scores = (np.array([row[place] for row in rows], kind) for place, kind in ((0, bool), (1, float)))
    ids = [f"s{index}" for index in range(len(rows))]
    chosen = spread(ids, right, scores, count)
    assert len(set(chosen)) == len(chosen) == min(count, right.sum()) + min(count, (~right).sum())
    sides = [bool(right[row]) for row in chosen]
    assert sides == sorted(sides, reverse=True)


def test_the_middles_of_equal_pieces_are_shown_and_not_the_extremes() -> None:
    scores = np.arange(12) / 12
    ids = [f"s{index}" for index in range(12)]
    assert spread(ids, np.ones(12, bool), scores, 3) == [9, 5, 1]
    assert spread(ids, np.zeros(12, bool), scores, 1) == [5]


def test_what_has_nothing_to_see_comes_only_where_others_do_not_suffice() -> None:
    ids, right = ["a", "b", "c"], np.ones(3, bool)
    empty = np.array([True, True, False])
    assert spread(ids, right, np.ones(3), 1, empty=empty) == [2]
    assert spread(ids, right, np.ones(3), 2, empty=empty) == [1, 2]


def test_the_better_half_is_above_the_median_and_never_at_nothing() -> None:
    assert better_half(np.array([0.0, 0.0, 0.0, 1.0])).tolist() == [False, False, False, True]
    assert better_half(np.array([0.5, 1.0, 1.0, np.nan])).tolist() == [False, True, True, False]
    assert not better_half(np.zeros(3)).any()
    assert not better_half(np.full(2, np.nan)).any()


@pytest.mark.parametrize("task", LOADERS.values(), ids=[task.protocol for task in LOADERS.values()])
def test_every_protocol_shows_some_of_each_side(task: TaskSpec) -> None:
    found = shown(task)
    assert [one.right for one in found] == [True] * 3 + [False] * 3
    assert len({one.sample_id for one in found}) == 6
    for one in found:
        assert one.score is None or np.isfinite(one.score)
        assert one.measure
        for side in (one.truth, one.answer):
            assert side.text or side.boxes is not None or side.mask is not None or side.heat is not None
            assert side.heat is None or (side.heat >= 0).all()
            assert all(0 <= score <= 1 for score in side.scores)
        assert len(one.answer.scores) == len(one.answer.boxes or ())
    for side in (found[:3], found[3:]):
        scores = [one.score for one in side]
        assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("task", LOADERS.values(), ids=[task.protocol for task in LOADERS.values()])
def test_it_is_said_where_right_means_the_better_half_alone(task: TaskSpec) -> None:
    knows_no_right = task.protocol in {BY_ID[name].protocol for name in BY_HALF}
    assert {one.by_half for one in shown(task)} == {knows_no_right}


@pytest.mark.parametrize("task", LOADERS.values(), ids=[task.protocol for task in LOADERS.values()])
def test_they_do_not_depend_on_the_order_of_the_rows(task: TaskSpec) -> None:
    table = kept(task)
    shuffled = table.take(np.random.default_rng(2).permutation(SAMPLES))
    both = [[dataclasses.replace(one, answer=one.truth) for one in shown(task, 2, each)] for each in (table, shuffled)]
    assert both[0] == both[1]


def test_labels_are_told_with_what_was_given_for_them() -> None:
    for one in shown(BY_ID["chexpert-linear"], SAMPLES):
        assert one.right == (set(one.truth.text.split(", ")) == answered(one.answer.text))
    first = shown(BY_ID["kermany-3class-linear"], 1)[0]
    assert first.answer.text.startswith(f"{first.truth.text} 0.")
    assert first.measure == "probability of the truth"


def answered(text: str) -> set[str]:
    if text.startswith("none"):
        return {"none of the labels"}
    return {label.rsplit(" ", 1)[0] for label in text.split(", ")}


def test_scores_that_are_no_probabilities_are_not_told_as_such() -> None:
    table = kept(BY_ID["rsna-zeroshot"])
    table = filled(table, "probabilities", False)
    assert {one.measure for one in shown(BY_ID["rsna-zeroshot"], 2, table)} == {"share of labels that are right"}


def test_boxes_are_right_where_all_are_found_and_no_more() -> None:
    for one in shown(BY_ID["rsna-det"], SAMPLES):
        assert one.right == (one.score == 1)
        if one.right:
            assert len(one.truth.boxes) == len(one.answer.boxes)
    assert any(one.truth.boxes for one in shown(BY_ID["rsna-det"], 1))


def test_masks_are_shown_with_their_dice() -> None:
    for one in shown(BY_ID["siim-seg"], SAMPLES):
        assert isinstance(one.truth.mask, Mask)
        assert one.answer.mask[:2] == one.truth.mask[:2]
        if one.truth.mask == one.answer.mask:
            assert (one.score, one.right) == (1.0, True)


def test_tables_of_older_versions_are_shown_and_grouped_by_nothing() -> None:
    attributes = ["sex", "age", "view"]
    for name, lacks in (("rsna-det", [*attributes, "box_names"]), ("siim-seg", attributes)):
        task = BY_ID[name]
        old = kept(task).drop_columns(lacks)
        groups = resolve(task.loader, name).groups(task, task.recipes["standard"], old)
        assert {one.grouping for one in groups} <= {"foreground"}
        assert len(shown(task, 2, old)) == 4
    ground = BY_ID["siim-ground"]
    one = shown(ground, 1, kept(ground).drop_columns(["seen", "side", "drawn"]))[0]
    assert (one.truth.text, one.truth.mask, one.answer.heat.shape) == ("Pneumothorax", None, (3, 4))


def test_sentences_without_a_threshold_are_not_shown() -> None:
    task = BY_ID["ms-cxr-t-sentences"]
    assert not shown(task, 2, filled(kept(task), "threshold", None))


def test_reports_without_findings_are_told_by_their_words() -> None:
    task = BY_ID["iu-xray-gen"]
    recipe = dataclasses.replace(task.recipes["standard"], labeller="none")
    table = kept(task)
    for name, value in (("truth", []), ("predicted", []), ("labeller", "")):
        table = filled(table, name, value)
    found = resolve(task.loader, task.id).examples(task, recipe, table, 2)
    assert {one.measure for one in found} == {"F1 of words"}
