"""The change of one metric between two sets of seeds, its 95 % interval and its p-value: patients and training both vary.

Patients: the paired bootstrap of `medbench.replicates`. Training: the spread between seeds is added as a t variate on its
degrees of freedom, times the standard error of the mean over seeds; a side of one seed is taken to vary as the other does,
and with one seed a side nothing is known of it. That spread holds what differs between seeds from patient to patient too,
so this share is taken out of the bootstrap: nothing counts twice, and the whole is never less than the bootstrap alone. The
distribution of the change is the sum of the two, worked out exactly, without drawing; so it is the same on every machine,
and BASE and NEW exchanged give it with its sign turned.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medbench.records import Record
from medbench.replicates import are_packed, mean_replicates, pair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_PATIENTS = 20
"""A percentile bootstrap of fewer is too sure of itself."""
_HALVINGS = 40


@dataclass(frozen=True, slots=True)
class Spread:
    """Between seeds: the standard error of the change, and its degrees of freedom."""

    error: float
    freedom: float


@dataclass(frozen=True, slots=True)
class Change:
    """NEW minus BASE. Without an interval, ``reason`` says why it is not tested; ``spread`` is None with one seed a side."""

    difference: float
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    spread: Spread | None = None
    reason: str = ""


def change_of(base: Sequence[Record], new: Sequence[Record], metric: str) -> Change | None:
    """The change of a metric's mean over seeds; None where it is undefined or absent in some seed."""
    base, new = (sorted(side, key=lambda one: one.seed) for side in (base, new))
    values = [_values(side, metric) for side in (base, new)]
    if values[0] is None or values[1] is None:
        return None
    difference = statistics.fmean(values[1].values()) - statistics.fmean(values[0].values())
    patients = min(record.patients for record in (*base, *new))
    if patients < LEAST_PATIENTS:
        return Change(difference, reason=f"only {patients} test patients, a test needs {LEAST_PATIENTS}")
    for name, side in (("BASE", base), ("NEW", new)):
        kept = [record.replicates.get(metric, b"") for record in side]
        if not are_packed(kept):
            return Change(difference, reason=f"{name} keeps no replicates of it (medbench rescore makes them)")
    pairing = pair(new, base, metric)
    if pairing.test is None:
        return Change(difference, reason=pairing.reason)
    return _tested_change(base, new, metric, difference, values[0], values[1])


def spread_of(base: dict[int, float], new: dict[int, float]) -> Spread | None:
    """From values by seed; None with one seed a side.

    Paired where both sides have the same seeds. Else the variances add up, as in Welch's test; but Welch's degrees of freedom
    promise too much of a side of two or three seeds beside a larger one, so that where the numbers differ those of the smaller
    side stand. A side of one seed has the deviation and the degrees of freedom of the other.
    """
    fewer, more = sorted((base, new), key=len)
    if len(more) < 2:
        return None
    if len(fewer) == 1:
        return Spread(statistics.stdev(more.values()) * math.sqrt(1 + 1 / len(more)), len(more) - 1)
    if base.keys() == new.keys():
        return Spread(statistics.stdev(new[seed] - base[seed] for seed in base) / math.sqrt(len(base)), len(base) - 1)
    shares = [statistics.variance(side.values()) / len(side) for side in (base, new)]
    total, freedom = sum(shares), len(fewer) - 1
    if total == 0 or len(fewer) < len(more):
        return Spread(math.sqrt(total), freedom)
    return Spread(math.sqrt(total), freedom * total**2 / sum(share**2 for share in shares))


def _tested_change(
    base: Sequence[Record],
    new: Sequence[Record],
    metric: str,
    difference: float,
    base_values: dict[int, float],
    new_values: dict[int, float],
) -> Change:
    """The change with its interval, of records that can be paired."""
    import numpy as np

    from medbench.statistics import LEAST_DRAWS, student_tail

    before, after = (np.stack([_replicates(one, metric) for one in side]) for side in (base, new))
    differences = after.mean(axis=0) - before.mean(axis=0)
    defined = np.isfinite(differences)
    if np.count_nonzero(defined) < LEAST_DRAWS:
        return Change(difference, reason="too few draws in which both are defined")
    whole = draws = differences[defined]
    spread = spread_of(base_values, new_values)
    if spread is not None:
        draws = _patients_alone(
            draws, _variance_between(before[:, defined], after[:, defined], base_values, new_values), spread
        )
    patients = min(record.patients for record in (*base, *new))
    student = float(student_tail(whole.mean(keepdims=True), whole.std(keepdims=True), patients)[0])
    return _tested(difference, draws, spread, student)


def _replicates(record: Record, metric: str) -> NDArray[np.float64]:
    """(R,) of one seed; `pair` has made sure that it has them."""
    import numpy as np

    return np.asarray(mean_replicates([record], metric), np.float64)


def _variance_between(
    before: NDArray[np.float64], after: NDArray[np.float64], base_values: dict[int, float], new_values: dict[int, float]
) -> float:
    """What the change varies by as the draws of patients do, since seeds differ from patient to patient: as in `spread_of`."""
    if base_values.keys() == new_values.keys():
        return _variance(after - before) / len(before)
    fewer, more = sorted((before, after), key=len)
    if len(fewer) == 1:
        return _variance(more) * (1 + 1 / len(more))
    return _variance(before) / len(before) + _variance(after) / len(after)


def _variance(seeds: NDArray[np.float64]) -> float:
    """Over draws, of one of the seeds (S, R) about their mean."""
    return float((seeds - seeds.mean(axis=0)).var(axis=1).sum()) / (len(seeds) - 1)


def _patients_alone(draws: NDArray[np.float64], held: float, spread: Spread) -> NDArray[np.float64]:
    """``draws`` (R,) pulled together by the share of their variance that the spread holds already."""
    whole, centre = float(draws.var()), float(draws.mean())
    if whole == 0:
        return draws
    return centre + (draws - centre) * math.sqrt(max(0.0, 1 - min(held, spread.error**2) / whole))


def _tested(difference: float, draws: NDArray[np.float64], spread: Spread | None, student: float) -> Change:
    """The interval and p-value of the sum of a draw and the spread.

    p is as in `medbench.statistics.paired_p_values`: twice the smaller tail, or ``student``, the tail over patients alone,
    where that is larger. Where not one draw is on the smaller side their number is no limit.
    """
    number = len(draws)
    tail = min(_share_below(0.0, draws, spread), _share_below(0.0, -draws, spread))
    counted = 2 * tail if number * tail < 1 else min(1.0, 2 * (1 + number * tail) / (1 + number))
    p_value = max(counted, student)
    return Change(difference, _quantile(0.025, draws, spread), -_quantile(0.025, -draws, spread), p_value, spread)


def _share_below(bound: float, draws: NDArray[np.float64], spread: Spread | None) -> float:
    """The chance that a draw plus the spread is at most ``bound``."""
    import numpy as np
    from scipy.special import stdtr

    if spread is None or spread.error == 0:
        return float(np.mean(draws <= bound))
    return float(np.mean(stdtr(spread.freedom, (bound - draws) / spread.error)))


def _quantile(share: float, draws: NDArray[np.float64], spread: Spread | None) -> float:
    """Where `_share_below` reaches ``share``."""
    import numpy as np

    if spread is None or spread.error == 0:
        return float(np.quantile(draws, share))
    from scipy.special import stdtrit

    reach = spread.error * -float(stdtrit(spread.freedom, share / 2))
    low, high = float(draws.min()) - reach, float(draws.max()) + reach
    for _ in range(_HALVINGS):  # scipy.optimize would do it in fewer steps, but takes a second to import
        middle = (low + high) / 2
        below = _share_below(middle, draws, spread) < share
        low, high = (middle, high) if below else (low, middle)
    return (low + high) / 2


def _values(records: Sequence[Record], metric: str) -> dict[int, float] | None:
    """By seed; None where any lacks it."""
    found = {one.seed: one.metrics[metric].value for one in records if metric in one.metrics}
    values = {seed: value for seed, value in found.items() if value is not None}
    return values if values and len(values) == len(records) else None
