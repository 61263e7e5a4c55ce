"""The bootstrap against a slow loop that shares only the drawn patients, and against known cases; the paired test."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from medbench.errors import UsageError
from medbench.statistics import (
    LEAST_DRAWS,
    LEAST_P,
    LEVEL,
    REPLICATES,
    SEED,
    bootstrap,
    bootstrap_mean,
    interval_of,
    paired_difference,
    paired_p_values,
    patient_counts,
    patient_weights,
    replicate_blocks,
    weighted_sums,
)

_PATIENTS = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=30)


def _slow_replicate_means(values: list[float], patients: list[str]) -> list[float]:
    """Draw as many patients as there are, lay out their images one by one, take the plain mean."""
    names = sorted(set(patients))
    generator = np.random.default_rng(SEED)
    means = []
    for _ in range(REPLICATES):
        drawn = []
        for pick in generator.integers(0, len(names), len(names), dtype=np.int32):
            drawn += [value for value, patient in zip(values, patients, strict=True) if patient == names[pick]]
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


@given(_PATIENTS, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_the_samples_does_not_change_what_is_drawn(patients: list[str], random: Random) -> None:
    order = random.sample(range(len(patients)), len(patients))
    counts = patient_counts(patients, replicates=7)
    assert (patient_counts([patients[index] for index in order], replicates=7) == counts[order]).all()


def test_fewer_replicates_are_the_first_of_more() -> None:
    patients = [str(index) for index in range(300)]
    assert (patient_counts(patients, replicates=5) == patient_counts(patients, replicates=9)[:, :5]).all()


def test_one_patient_is_always_drawn_and_weights_are_the_same_draw_turned() -> None:
    lone = patient_counts(["only"] * 4, replicates=3)
    assert lone.tolist() == [[1, 1, 1]] * 4
    patients = list("abca")
    assert (patient_counts(patients, replicates=6) == patient_weights(patients, replicates=6).T).all()
    assert patient_counts([], replicates=3).shape == (0, 3)


def test_each_patient_is_drawn_once_on_average_and_independently() -> None:
    counts = patient_counts([str(index) for index in range(400)]).astype(float)
    assert counts.mean(axis=1) == pytest.approx(np.ones(400), abs=0.2)  # six standard errors
    assert counts.var(axis=1).mean() == pytest.approx(1 - 1 / 400, rel=0.05)
    assert abs(np.corrcoef(counts)[~np.eye(400, dtype=bool)].mean() + 1 / 399) < 0.005  # the total is fixed


def test_sums_over_blocks_are_the_sums_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medbench.statistics._BLOCK_CELLS", 40)
    counts = patient_counts([str(index) for index in range(13)], replicates=17)
    blocks = list(replicate_blocks(counts))
    assert len(blocks) == 6
    columns = np.random.default_rng(4).integers(-5, 9, (13, 3)).astype(np.float64)
    assert (weighted_sums(columns, counts) == counts.T.astype(np.int64) @ columns).all()


def _normal_replicates(effect: float, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    generator = np.random.default_rng(seed)
    shared = generator.normal(0, 1, 20_000)
    return effect + shared + generator.normal(0, 0.1, 20_000), shared + generator.normal(0, 0.1, 20_000)


def test_a_paired_difference_removes_what_both_share_and_has_the_p_value_of_theory() -> None:
    ours, theirs = _normal_replicates(0.2, 6)
    found = paired_difference(ours, theirs, 0.7, 0.5)
    assert found is not None
    deviation = math.sqrt(2) * 0.1
    assert found.difference == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.2 - 1.96 * deviation, 0.2 + 1.96 * deviation), abs=0.01)
    assert found.p_value == pytest.approx(math.erfc(0.2 / deviation / math.sqrt(2)), rel=0.1)


def test_the_paired_test_is_symmetric_never_zero_and_one_for_equal_methods() -> None:
    ours, theirs = _normal_replicates(0.1, 7)
    one, other = paired_difference(ours, theirs, 0.6, 0.5), paired_difference(theirs, ours, 0.5, 0.6)
    assert one is not None
    assert other is not None
    assert one.p_value == other.p_value
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    same, sure = paired_difference(ours, ours, 0.6, 0.6), paired_difference(ours + 9, theirs, 9.6, 0.5)
    assert same is not None
    assert sure is not None
    assert (same.p_value, same.low, same.high) == (1.0, 0.0, 0.0)
    assert sure.p_value == LEAST_P  # 60 deviations away: no draw is on the other side


@pytest.mark.parametrize("patients", [1, 2, 3, 8, 30])
def test_false_alarms_are_at_the_level_however_few_the_patients(patients: int) -> None:
    """Two methods that are equally often right, patient by patient in other places; a mean of their differences."""
    generator = np.random.default_rng(patients)
    counts = patient_counts([str(index) for index in range(patients)])
    alarms = 0
    for _ in range(400):
        differences = generator.normal(size=(patients, 1))
        sums = weighted_sums(differences, counts)[:, 0] / patients
        alarms += paired_p_values(sums[np.newaxis], patients)[0] <= 0.05
    assert alarms / 400 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 400)


def test_a_difference_that_never_varies_is_no_evidence() -> None:
    constant = paired_p_values(np.full((1, 1000), np.float32(0.1) + 1e-9), 50)
    assert constant[0] == 1.0


def test_replicates_undefined_for_either_method_are_left_out_of_the_pair() -> None:
    ours, theirs = _normal_replicates(0.1, 8)
    holes = np.where(np.arange(len(ours)) % 2, np.nan, ours)
    found, whole = paired_difference(holes, theirs, 0.6, 0.5), paired_difference(ours[::2], theirs[::2], 0.6, 0.5)
    assert found == whole
    few = np.where(np.arange(len(ours)) < LEAST_DRAWS - 1, ours, np.nan)
    assert paired_difference(few, theirs, 0.6, 0.5) is None
    with pytest.raises(UsageError, match="3 replicates cannot be paired with 2"):
        paired_difference(np.zeros(3), np.zeros(2), 0.0, 0.0)
