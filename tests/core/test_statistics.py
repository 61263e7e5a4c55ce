"""The bootstrap against a slow loop that shares only the drawn counts, and against known cases."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.statistics import (
    LEVEL,
    REPLICATES,
    SEED,
    bootstrap,
    bootstrap_mean,
    interval_of,
    patient_weights,
)

_PATIENTS = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=30)


def _slow_replicate_means(values: list[float], patients: list[str]) -> list[float]:
    """Draw as many patients as there are, lay out their images one by one, take the plain mean."""
    names = sorted(set(patients))
    generator = np.random.default_rng(SEED)
    means = []
    for counts in generator.multinomial(len(names), [1 / len(names)] * len(names), size=REPLICATES):
        drawn = []
        for name, count in zip(names, counts, strict=True):
            for _ in range(count):
                drawn += [value for value, patient in zip(values, patients, strict=True) if patient == name]
        means.append(sum(drawn) / len(drawn))
    return means


def _slow_quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def test_the_interval_of_a_mean_is_that_of_a_slow_loop() -> None:
    generator = np.random.default_rng(5)
    values = generator.random(25)
    patients = [f"p{index}" for index in generator.integers(0, 9, 25)]
    means = _slow_replicate_means(values.tolist(), patients)
    interval = bootstrap_mean(values, patients)
    assert interval is not None
    assert interval.low == pytest.approx(_slow_quantile(means, (1 - LEVEL) / 2), rel=1e-12)
    assert interval.high == pytest.approx(_slow_quantile(means, (1 + LEVEL) / 2), rel=1e-12)


@given(_PATIENTS)
@settings(max_examples=40, deadline=None)
def test_patients_are_drawn_whole_and_as_many_as_there_are(patients: list[str]) -> None:
    weights = patient_weights(patients, replicates=50)
    assert weights.shape == (50, len(patients))
    sizes = Counter(patients)
    for row in weights:
        by_patient = dict(zip(patients, row.tolist(), strict=True))
        assert row.tolist() == [by_patient[patient] for patient in patients]
        assert sum(by_patient.values()) == len(sizes)


def test_the_width_agrees_with_theory_for_independent_samples() -> None:
    values = np.random.default_rng(0).normal(size=2000)
    interval = bootstrap_mean(values, [str(index) for index in range(2000)])
    assert interval is not None
    expected = 2 * 1.96 * values.std() / math.sqrt(2000)
    assert interval.high - interval.low == pytest.approx(expected, rel=0.1)
    assert interval.low < values.mean() < interval.high


def test_repeating_each_patients_image_does_not_narrow_the_interval() -> None:
    values = np.random.default_rng(1).random(40)
    ids = [str(index) for index in range(40)]
    once = bootstrap_mean(values, ids)
    repeated = bootstrap_mean(np.repeat(values, 5), [name for name in ids for _ in range(5)])
    assert once is not None
    assert repeated is not None
    assert (repeated.low, repeated.high) == pytest.approx((once.low, once.high))


def test_one_patient_and_equal_values_have_no_width() -> None:
    one = bootstrap_mean(np.array([0.0, 1.0]), ["a", "a"])
    same = bootstrap_mean(np.full(6, 0.25), list("abcdef"))
    assert one is not None
    assert same is not None
    assert (one.low, one.high) == (0.5, 0.5)
    assert (same.low, same.high) == (0.25, 0.25)


def test_nothing_has_no_interval() -> None:
    assert bootstrap_mean(np.array([]), []) is None
    assert bootstrap(lambda weights: 1.0, []) is None
    assert interval_of(np.array([np.nan, np.nan])) is None


def test_undefined_replicates_are_left_out() -> None:
    interval = interval_of(np.array([np.nan, 0.5, 0.5, np.nan]))
    assert interval is not None
    assert (interval.low, interval.high) == (0.5, 0.5)


def test_any_statistic_of_weights_gives_the_interval_of_the_mean() -> None:
    values = np.random.default_rng(2).random(12)
    patients = list("aabbccddeeff")
    general = bootstrap(lambda weights: float(np.average(values, weights=weights)), patients)
    special = bootstrap_mean(values, patients)
    assert general is not None
    assert special is not None
    assert (general.low, general.high) == pytest.approx((special.low, special.high))


def test_the_draw_is_the_same_every_time_and_another_for_another_seed() -> None:
    patients = list("abcdefgh")
    assert (patient_weights(patients) == patient_weights(patients)).all()
    assert (patient_weights(patients) != patient_weights(patients, seed=1)).any()
