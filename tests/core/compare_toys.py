"""Records of simulated answers for the tests of `medbench.compare`: right or wrong for each patient, with replicates."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
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
        "test_patients": len(values),
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


def metric_line(comparison: Comparison) -> Line:
    """The one line of a metric that it has; a line of lost seeds may follow it."""
    (line,) = [line for line in comparison.lines if line.metric]
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

    def pair() -> list[list[Record]]:
        ease = generator.normal(size=PATIENTS)
        return [simulated(generator, one, 0.8 - lost, noise, ease) for one, lost in zip(seeds, (0, drop), strict=True)]

    return _rates(pairs, pair, tolerance)


def rare_alarm_rates(pairs: int, positives: int, drop: float = 0.0) -> tuple[float, float]:
    """As `alarm_rates`, of the area under the ROC curve of one seed a side: so many of the patients are positive."""
    generator = np.random.default_rng(2021)
    truth = np.arange(PATIENTS) < positives

    def pair() -> list[list[Record]]:
        ease = generator.normal(size=PATIENTS)
        scores = [0.8 * ease + (1.2 - lost) * truth + generator.normal(size=PATIENTS) for lost in (0, drop)]
        return [[_ranked(truth, one)] for one in scores]

    return _rates(pairs, pair, 0.0)


def _ranked(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> Record:
    """A record whose metric is the area under the ROC curve, with its replicates."""
    wins = (scores[truth][:, None] > scores[~truth]).astype(float)
    positive, negative = draws(PATIENTS)[:, truth], draws(PATIENTS)[:, ~truth]
    weights = positive.sum(axis=1) * negative.sum(axis=1)
    with np.errstate(invalid="ignore"):
        areas = ((positive @ wins) * negative).sum(axis=1) / weights  # undefined without a positive
    metrics = {"map": MetricValue(float(wins.mean()), n=PATIENTS)}
    return record_of(truth, metrics=metrics, replicates={"map": areas.astype("<f4").tobytes()})


def _rates(pairs: int, pair: Callable[[], list[list[Record]]], tolerance: float) -> tuple[float, float]:
    regressed = significant = 0
    for _ in range(pairs):
        comparison = compared(*pair(), tolerance=tolerance)
        line = metric_line(comparison)
        regressed += line.verdict == "regressed"
        significant += line.holm is not None and line.holm <= comparison.rules.level
    return regressed / pairs, significant / pairs
