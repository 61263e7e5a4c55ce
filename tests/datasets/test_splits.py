"""Published sizes, and what happens on other numbers of ids."""

from __future__ import annotations

from itertools import chain

import pytest

from medbench_datasets import siim
from medbench_datasets.splits import divide, halve_held_out, held_out_count, members_of


def test_siim_official_count_gives_the_published_sizes() -> None:
    ids = [f"{number:05d}" for number in range(siim.COUNT)]
    parts = halve_held_out(ids, held_out_count(len(ids), siim.COUNT, siim.HELD_OUT))
    assert {part: len(members) for part, members in parts.items()} == siim.SPEC.split("image").sizes
    assert sorted(chain.from_iterable(parts.values())) == ids


def test_another_count_keeps_the_share() -> None:
    assert held_out_count(26_684, 26_684, 10_674) == 10_674
    assert held_out_count(60, 26_684, 10_674) == 24


@pytest.mark.parametrize("count", range(4, 12))
def test_small_sets_are_divided_without_loss(count: int) -> None:
    ids = sorted(str(number) for number in range(count))
    counted = halve_held_out(ids, held_out_count(count, siim.COUNT, siim.HELD_OUT))
    for parts in (counted, halve_held_out(ids, 0.3), divide(ids, valid=0.15, test=0.25)):
        assert sorted(chain.from_iterable(parts.values())) == ids
        assert all(parts.values())


def test_too_few_to_divide_are_all_for_training() -> None:
    assert halve_held_out(["a"], 0.3) == {"train": ["a"], "valid": [], "test": []}
    assert divide([], valid=0.15, test=0.25) == {"train": [], "valid": [], "test": []}


def test_the_division_is_the_same_every_time() -> None:
    ids = [str(number) for number in range(40)]
    assert halve_held_out(ids, 0.3) == halve_held_out(ids, 0.3)
    assert {part: len(one) for part, one in divide(ids, valid=0.15, test=0.25).items()} == {
        "train": 24,
        "valid": 6,
        "test": 10,
    }


def test_members_follow_their_groups_in_their_own_order() -> None:
    drawn = {"train": ["p2", "p1"], "valid": [], "test": ["p3"]}
    members = members_of(drawn, {"b": "p1", "c": "p3", "a": "p2", "d": "p1"})
    assert members == {"train": ["b", "a", "d"], "valid": [], "test": ["c"]}
