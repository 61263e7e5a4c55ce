"""Records of simulated answers for the tests of `medbench.compare`: right or wrong for each patient, with replicates."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from medbench.compare import Rules
from medbench.compare.verdicts import Comparison, Line, judge
from medbench.records import MetricValue, Record
from medbench.specs import TaskSpec
from medbench.statistics import patient_counts
from tests.core.record_maker import make_record, make_task

PATIENTS = 200
PAIRS = 200
TASKS = {"toy-det": make_task()}


@functools.cache
def draws(patients: int) -> NDArray[np.float64]:
    """(R, patients) shares of each draw, the same for every record of as many patients."""
    counts = patient_counts([f"p{index}" for index in range(patients)]).T.astype(float)
    return counts / patients


def record_of(right: NDArray[Any], *, metric: str = "map", **changes: Any) -> Record:
    """A record whose metric is the mean of ``right`` (patients,), with its replicates."""
    values = np.asarray(right, float)
    numbers = {metric: MetricValue(float(values.mean()), n=len(values))}
    replicates = {metric: (draws(len(values)) @ values).astype("<f4").tobytes()}
    named = hashlib.sha256(values.tobytes() + repr((metric, sorted(changes.items()))).encode()).hexdigest()[:32]
    key = f"{named}-{changes.get('seed', 0)}-{changes.get('fraction', 1.0)}"
    given: dict[str, Any] = {
        "replicates": replicates,
        "test_n": len(values),
        "samples_sha256": f"{len(values):064x}",
        "key": key,
    }
    given = {**given, **changes}
    metrics = given.pop("metrics", numbers)
    return msgspec.structs.replace(make_record(**given), metrics=metrics)


def answers(share: float, seed: int, patients: int = PATIENTS) -> NDArray[np.float64]:
    """Right for exactly that share of the patients, drawn by ``seed``."""
    right = np.zeros(patients)
    right[np.random.default_rng(seed).permutation(patients)[: round(share * patients)]] = 1
    return right


def flipped(right: NDArray[np.float64], number: int, seed: int = 0, *, to: float = 0.0) -> NDArray[np.float64]:
    """``number`` of the patients that are not ``to`` made so: a planted change."""
    changed = right.copy()
    changed[np.random.default_rng(seed).permutation(np.flatnonzero(right != to))[:number]] = to
    return changed


def compared(
    base: Sequence[Record], new: Sequence[Record], tasks: dict[str, TaskSpec] | None = None, **rules: Any
) -> Comparison:
    """The comparison under those rules."""
    return judge(base, new, TASKS if tasks is None else tasks, Rules(**rules))


def only(comparison: Comparison) -> Line:
    """The one line that it has."""
    (line,) = comparison.lines
    return line


def simulated(
    generator: np.random.Generator, seeds: range, skill: float, noise: float, ease: NDArray[np.float64]
) -> list[Record]:
    """A method's seeds: some patients are harder for all, each training is a little better or worse, the rest is luck."""
    found = []
    for seed in seeds:
        luck = generator.normal(size=len(ease)) + noise * generator.normal()
        found.append(record_of(0.8 * ease + skill + luck > 0, seed=seed))
    return found


def alarm_rates(
    pairs: int, seeds: tuple[range, range], noise: float, drop: float = 0.0, tolerance: float = 0.0
) -> tuple[float, float]:
    """Of simulated pairs whose true skill differs by ``drop``: the shares that regressed, and that changed significantly."""
    generator = np.random.default_rng(2021)
    regressed = significant = 0
    for _ in range(pairs):
        ease = generator.normal(size=PATIENTS)
        sides = [simulated(generator, one, 0.8 - lost, noise, ease) for one, lost in zip(seeds, (0, drop), strict=True)]
        comparison = compared(*sides, tolerance=tolerance)
        line = only(comparison)
        regressed += line.verdict == "regressed"
        significant += line.holm is not None and line.holm <= comparison.rules.level
    return regressed / pairs, significant / pairs
