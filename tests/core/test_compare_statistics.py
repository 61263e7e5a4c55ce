"""How often the gate cries wolf, how often it sees a drop, and that neither order nor side matters."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.compare.changes import change_of, spread_of
from medbench.records import Record
from medbench.replicates import pair
from medbench.statistics import LEAST_P
from tests.core.compare_toys import PAIRS, alarm_rates, answers, compared, flipped, metric_line, record_of, simulated

LEVEL = 0.05


@pytest.mark.parametrize(
    ("seeds", "noise"),
    [
        ((range(1), range(1)), 0.0),
        ((range(2), range(2)), 0.15),
        ((range(3), range(3)), 0.15),
        ((range(3), range(3)), 0.5),
        ((range(3), range(10, 13)), 0.15),
        ((range(2), range(10)), 0.5),
        ((range(5), range(1)), 0.5),
    ],
    ids=[
        "one seed",
        "two seeds",
        "three seeds",
        "three unsteady seeds",
        "three other seeds",
        "two unsteady seeds against ten",
        "five unsteady seeds against one",
    ],
)
def test_false_alarms_of_two_hundred_null_pairs_are_no_more_than_the_level(
    seeds: tuple[range, range], noise: float
) -> None:
    regressed, significant = alarm_rates(PAIRS, seeds, noise)
    assert regressed <= LEVEL
    assert significant <= LEVEL + 0.03  # two standard errors of 200 pairs at the level: either side of 0 counts here


def test_seeds_whose_noise_is_left_out_would_cry_wolf() -> None:
    """What the spread between seeds is for: without it the same pairs are alarms far above the level."""
    generator = np.random.default_rng(2021)
    low = 0
    for _ in range(PAIRS):
        ease = generator.normal(size=200)
        sides = [simulated(generator, range(3), 0.8, 0.5, ease) for _ in range(2)]
        test = pair(sides[1], sides[0], "map").test
        low += test is not None and test.p_value <= LEVEL
    assert low / PAIRS > 3 * LEVEL


def test_a_planted_drop_is_seen() -> None:
    assert alarm_rates(PAIRS, (range(1), range(1)), 0.0, drop=0.5, tolerance=0.5)[0] > 0.85
    assert alarm_rates(PAIRS, (range(3), range(3)), 0.05, drop=0.5, tolerance=0.5)[0] > 0.65


def test_an_interval_is_never_narrower_than_that_of_the_patients_alone() -> None:
    base = [record_of(answers(0.7, seed), seed=seed) for seed in range(3)]
    new = [record_of(answers(0.7 + seed / 100, 10 + seed), seed=seed) for seed in range(3)]
    change, alone = change_of(base, new, "map"), pair(new, base, "map").test
    assert change is not None and alone is not None and change.low is not None and change.high is not None
    assert change.low < alone.low and change.high > alone.high


def test_with_one_seed_a_change_is_the_paired_bootstrap_itself() -> None:
    base = [record_of(answers(0.7, 1))]
    new = [record_of(flipped(flipped(answers(0.7, 1), 12, 3), 8, 4, to=1.0))]
    change, test = change_of(base, new, "map"), pair(new, base, "map").test
    assert change is not None and test is not None
    assert (change.difference, change.low, change.high) == pytest.approx((test.difference, test.low, test.high))
    assert change.p_value == test.p_value


def test_where_no_draw_is_on_the_other_side_the_tail_goes_on() -> None:
    """A thousand draws cannot give a p below 0.002, with which no drop among thirty tests could ever be significant."""
    base = answers(0.7, 1)
    small, large = (change_of([record_of(base)], [record_of(flipped(base, lost))], "map") for lost in (14, 40))
    assert small is not None and large is not None and small.p_value is not None and large.p_value is not None
    assert 1e-5 < small.p_value < 0.002
    assert large.p_value == LEAST_P


def test_the_spread_between_seeds_is_paired_where_the_seeds_are_the_same() -> None:
    same = spread_of({0: 0.5, 1: 0.6, 2: 0.7}, {0: 0.51, 1: 0.62, 2: 0.73})
    assert same is not None and same.freedom == 2
    assert same.error == pytest.approx(0.01 / 3**0.5)
    other = spread_of({0: 0.5, 1: 0.6, 2: 0.7}, {3: 0.51, 4: 0.62, 5: 0.73})
    assert other is not None
    assert other.error == pytest.approx(((0.1**2 + 0.11**2) / 3) ** 0.5)
    assert 3.9 < other.freedom < 4


def test_of_sides_that_differ_in_size_the_smaller_says_how_sure_the_spread_is() -> None:
    many = {seed: 0.5 + (seed % 2) / 10 for seed in range(10)}
    few = spread_of({0: 0.5, 1: 0.5001}, many)
    assert few is not None and few.freedom == 1


def test_a_side_of_one_seed_is_taken_to_vary_as_the_other_does() -> None:
    five = {0: 0.4, 1: 0.5, 2: 0.6, 3: 0.5, 4: 0.5}
    there, back = spread_of(five, {0: 0.5}), spread_of({7: 0.5}, five)
    assert there == back and there is not None
    assert (there.error, there.freedom) == (pytest.approx(0.005**0.5 * 1.2**0.5), 4)
    assert spread_of({0: 0.5}, {1: 0.6}) is None


_sides = st.lists(
    st.tuples(st.integers(0, 3), st.integers(5, 195)), min_size=1, max_size=4, unique_by=lambda one: one[0]
)


def _records(side: list[tuple[int, int]], stream: int) -> list[Record]:
    return [record_of(answers(number / 200, 10 * seed + stream), seed=seed) for seed, number in side]


@settings(max_examples=25, deadline=None)
@given(_sides, _sides, st.randoms(use_true_random=False))
def test_neither_the_order_of_records_nor_the_side_matters(
    base: list[tuple[int, int]], new: list[tuple[int, int]], shuffler: random.Random
) -> None:
    sides = _records(base, 1), _records(new, 2)
    there, back = metric_line(compared(*sides)), metric_line(compared(sides[1], sides[0]))
    mixed = [shuffler.sample(side, len(side)) for side in sides]
    assert metric_line(compared(*mixed)) == there
    turned = {"improved": "regressed", "regressed": "improved"}
    assert back.verdict == turned.get(there.verdict, there.verdict)
    assert there.change is not None and back.change is not None
    numbers = there.change.difference, there.change.low, there.change.high, there.change.p_value
    lows = back.change.low, back.change.high
    assert None not in numbers and None not in lows
    mirrored = -back.change.difference, -(lows[1] or 0.0), -(lows[0] or 0.0), back.change.p_value
    assert numbers == pytest.approx(mirrored, abs=1e-9)
