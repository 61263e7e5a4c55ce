"""Intervals: the percentile bootstrap over patients, vectorised and seeded.

Patients, not images, are drawn, because the images of one patient are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REPLICATES = 1000
SEED = 20210
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """The bounds of a two-sided `LEVEL` interval."""

    low: float
    high: float


def patient_weights(patient_ids: Sequence[str], *, replicates: int = REPLICATES, seed: int = SEED) -> NDArray[np.int32]:
    """(replicates, N) counts: how often each sample is in each replicate, when patients are drawn with replacement."""
    _, patient_of = np.unique(np.asarray(patient_ids, dtype=object).astype(str), return_inverse=True)
    patients = int(patient_of.max()) + 1 if len(patient_of) else 0
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(patients, np.full(patients, 1 / max(patients, 1)), size=replicates)
    return counts.astype(np.int32)[:, patient_of]


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
    weights = patient_weights(patient_ids)
    return interval_of(weights @ values / weights.sum(axis=1))


def bootstrap(statistic: Callable[[NDArray[np.int32]], float], patient_ids: Sequence[str]) -> Interval | None:
    """Interval of any statistic that takes sample weights (N,) and returns a float (NaN = undefined)."""
    if not len(patient_ids):
        return None
    return interval_of(np.array([statistic(row) for row in patient_weights(patient_ids)]))
