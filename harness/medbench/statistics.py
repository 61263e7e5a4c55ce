"""Intervals and paired tests: the percentile bootstrap over patients, vectorised and seeded.

Patients, not images, are drawn, because the images of one patient are not independent. Replicate i is the same draw for the
same set of patients, whatever the order of the samples, so that the replicates of two methods can be set against each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medbench.errors import UsageError
from medbench.student import normal_lower_tail, student_lower_tail

REPLICATES = 1000
SEED = 20210
LEVEL = 0.95
LEAST_P = 1e-6
"""No smaller p-value is told: so far out, a tail that is drawn on from the replicates is a guess."""
LEAST_DRAWS = 100
"""With fewer replicates in which both are defined there is no test."""
_ROUNDING = 1e-6
"""Replicates are kept in single precision: what varies less than this share of their mean does not vary."""
_BLOCK_CELLS = 13_000_000
"""Samples x replicates worked on at a time: 104 MB as float64, whatever the size of the test set."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The bounds of a two-sided `LEVEL` interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairedTest:
    """``difference`` is a - b, with its `LEVEL` interval; ``p_value`` is two-sided, of no difference."""

    difference: float
    low: float
    high: float
    p_value: float


def patient_counts(patient_ids: Sequence[str], *, replicates: int = REPLICATES, seed: int = SEED) -> NDArray[np.uint8]:
    """(N, replicates) counts: how often each sample is in each replicate, when patients are drawn with replacement.

    As many patients are drawn as there are. A prefix of the replicates is the same whatever their number. uint8 is enough:
    of more than 255 patients none is drawn more than 255 times (a chance below 1e-500).
    """
    patients, patient_of = np.unique(np.asarray(patient_ids, dtype=str), return_inverse=True)
    generator = np.random.default_rng(seed)
    drawn = np.empty((replicates, len(patients)), np.uint8)
    for row in drawn if len(patients) else ():
        picks = generator.integers(0, len(patients), len(patients), dtype=np.int32)
        row[:] = np.bincount(picks, minlength=len(patients))
    return np.ascontiguousarray(drawn.T)[patient_of]


def patient_weights(patient_ids: Sequence[str], *, replicates: int = REPLICATES, seed: int = SEED) -> NDArray[np.int32]:
    """(replicates, N): `patient_counts` with a row a replicate, as int32 for arithmetic that would overflow in uint8."""
    return np.ascontiguousarray(patient_counts(patient_ids, replicates=replicates, seed=seed).T, np.int32)


def weighted_sums(columns: NDArray[np.float64], counts: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(R, C) sums of ``columns`` (N, C) over the samples of each replicate in ``counts`` (N, R); whole numbers sum exactly."""
    sums = np.empty((counts.shape[1], columns.shape[1]))
    for block in replicate_blocks(counts):
        sums[block] = counts[:, block].T.astype(np.float64) @ columns
    return sums


def replicate_blocks(counts: NDArray[np.uint8]) -> Iterator[slice]:
    """Slices of the replicates of ``counts`` (N, R) that bound the memory of work on each."""
    samples, replicates = counts.shape
    step = max(_BLOCK_CELLS // max(samples, 1), 1)
    return (slice(start, start + step) for start in range(0, replicates, step))


def interval_of(estimates: NDArray[np.float64]) -> Interval | None:
    """The percentile interval of replicate estimates; NaN replicates (undefined) are left out; None if all are."""
    defined = estimates[~np.isnan(estimates)]
    if not len(defined):
        return None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def bootstrap_mean(values: NDArray[np.float64], patient_ids: Sequence[str]) -> Interval | None:
    """Interval of the mean of per-sample ``values`` (N,); None for no values."""
    if not len(values):
        return None
    columns = np.stack([np.asarray(values, np.float64), np.ones(len(values))], axis=1)
    sums = weighted_sums(columns, patient_counts(patient_ids))
    return interval_of(sums[:, 0] / sums[:, 1])


def bootstrap(statistic: Callable[[NDArray[np.int32]], float], patient_ids: Sequence[str]) -> Interval | None:
    """Interval of any statistic that takes sample weights (N,) and returns a float (NaN = undefined)."""
    if not len(patient_ids):
        return None
    return interval_of(np.array([statistic(row) for row in patient_weights(patient_ids)]))


def paired_difference(
    replicates_a: NDArray[np.float64],
    replicates_b: NDArray[np.float64],
    value_a: float,
    value_b: float,
    patients: int | None = None,
) -> PairedTest | None:
    """The difference of two methods on the same test samples, from replicates over the same draws of ``patients``.

    The interval is the percentile interval of the replicate differences, the p-value that of `paired_p_values`. Replicates
    that are NaN for either method are left out; None where fewer than `LEAST_DRAWS` remain. Raises `UsageError` where the two
    differ in number.
    """
    if replicates_a.shape != replicates_b.shape:
        raise UsageError(
            f"{len(replicates_a)} replicates cannot be paired with {len(replicates_b)}", fix="score both again"
        )
    differences = replicates_a - replicates_b
    p_value = float(paired_p_values(differences[np.newaxis], patients)[0])
    interval = interval_of(differences)
    if interval is None or np.isnan(p_value):
        return None
    return PairedTest(value_a - value_b, interval.low, interval.high, p_value)


def paired_p_values(differences: NDArray[np.float64], patients: int | None = None) -> NDArray[np.float64]:
    """(K,) two-sided p-values of no difference, from (K, R) replicate differences; NaN with fewer than `LEAST_DRAWS` defined.

    The larger of two. One is the level at which the percentile interval would just touch 0, twice the smaller tail share
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 and section 15.4), each share counted as
    (1 + k) / (1 + R) so that it is never 0 (Davison and Hinkley, Bootstrap Methods and their Application, 1997, equation 4.11).
    The other is that of `student_tail`, without which a percentile bootstrap of few patients is too sure of itself. Where not
    one replicate is in the tail, their number is the limit and not the evidence: the second then stands alone.
    """
    defined = (~np.isnan(differences)).sum(axis=1)
    able = defined >= LEAST_DRAWS
    p_values = np.full(len(differences), np.nan)
    if not able.any():
        return p_values
    rows = differences[able]
    smaller = np.minimum((rows <= 0).sum(axis=1), (rows >= 0).sum(axis=1))  # NaN is neither
    counted = np.minimum(1.0, 2 * (1 + smaller) / (1 + defined[able]))
    student = student_tail(np.nanmean(rows, axis=1), np.nanstd(rows, axis=1), patients)
    p_values[able] = np.where(smaller > 0, np.maximum(counted, student), student)
    return p_values


def student_tail(
    means: NDArray[np.float64], deviations: NDArray[np.float64], patients: int | None = None
) -> NDArray[np.float64]:
    """(K,) two-sided tails of Student's t through the means and deviations of replicates; 1 where these do not vary.

    The degrees of freedom are one less than the ``patients``, and the deviation is taken times the root of n / (n - 1), since
    a bootstrap divides by n; None takes the normal distribution. Never below `LEAST_P`.
    """
    varies = deviations > _ROUNDING * np.abs(means)
    if patients is not None and patients < 2:
        return np.ones_like(means)
    inflation = 1.0 if patients is None else math.sqrt(patients / (patients - 1))
    reach = -np.abs(means) / np.where(varies, deviations * inflation, 1.0)
    tails = 2 * (normal_lower_tail(reach) if patients is None else student_lower_tail(patients - 1, reach))
    return np.where(varies, np.maximum(tails, LEAST_P), 1.0)
