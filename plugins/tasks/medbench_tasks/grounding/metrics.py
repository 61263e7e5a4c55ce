"""What a relevance map says of a finding's place: areas of answer, truth and both, and the metrics made from them.

All are means over images that have the finding, with intervals over patients. IoU is ``|P & G| / |P or G|``, Dice
``2 |P & G| / (|P| + |G|)``, recall ``|P & G| / |G|``, precision ``|P & G| / |P|``, which is 0 where nothing is answered
(MeDSLIP's release, score_cal, on positives only; recall and precision as MedKLIP-style papers tabulate them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medbench.errors import TrialError
from medbench.records import MetricValue
from medbench.statistics import interval_of, patient_weights

NO_POSITIVE = "no test image with the finding"


class Counts(NamedTuple):
    """Pixels of one image: ``peak`` of the highest relevance and ``peak_inside`` the truth; answered, true, and both."""

    peak: int
    peak_inside: int
    predicted: int
    truth: int
    shared: int


@dataclass(frozen=True, slots=True)
class Areas:
    """`Counts` of N images, each (N,)."""

    peak: NDArray[np.float64]
    peak_inside: NDArray[np.float64]
    predicted: NDArray[np.float64]
    truth: NDArray[np.float64]
    shared: NDArray[np.float64]


def count(relevance: NDArray[np.float64], truth: NDArray[np.bool_], threshold: float) -> Counts:
    """Counts of a map against the truth, both (side, side); NaN relevance is neither answered nor a peak."""
    seen = ~np.isnan(relevance)
    predicted = np.greater(relevance, threshold, where=seen, out=np.zeros(truth.shape, np.bool_))
    peak = relevance == relevance[seen].max() if seen.any() else predicted
    return Counts(
        peak=int(peak.sum()),
        peak_inside=int((peak & truth).sum()),
        predicted=int(predicted.sum()),
        truth=int(truth.sum()),
        shared=int((predicted & truth).sum()),
    )


def areas_of(counts: Sequence[Counts]) -> Areas:
    """The counts of many images as columns."""
    return Areas(*np.asarray(counts, np.float64).reshape(-1, len(Counts._fields)).T)


def per_image(areas: Areas) -> dict[str, NDArray[np.float64]]:
    """Every metric of `medbench_tasks.grounding.recipe.METRICS` by name, (N,). Raises `TrialError` where an identity fails."""
    values = {
        "pointing-game": _ratio(areas.peak_inside, areas.peak),
        "iou": _ratio(areas.shared, areas.predicted + areas.truth - areas.shared),
        "dice": _ratio(2 * areas.shared, areas.predicted + areas.truth),
        "recall": _ratio(areas.shared, areas.truth),
        "precision": _ratio(areas.shared, areas.predicted),
        "pointing-game-as-released": (areas.peak_inside > 0).astype(np.float64),
    }
    _check_identities(values)
    return values


def replicates_of(
    values: Mapping[str, NDArray[np.float64]], patient_ids: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Each metric's mean in each bootstrap replicate over patients, (`medbench.statistics.REPLICATES`,)."""
    weights = patient_weights(patient_ids)
    total = weights.sum(axis=1)
    return {
        name: weights @ value / total if len(value) else np.full(len(weights), np.nan) for name, value in values.items()
    }


def score_areas(areas: Areas, patient_ids: Sequence[str]) -> dict[str, MetricValue]:
    """The mean of every metric over images, with its interval."""
    if not len(patient_ids):
        return {name: MetricValue(value=None, note=NO_POSITIVE) for name in per_image(areas)}
    values = per_image(areas)
    replicates = replicates_of(values, patient_ids)
    return {name: _metric(value, replicates[name]) for name, value in values.items()}


def _metric(values: NDArray[np.float64], replicates: NDArray[np.float64]) -> MetricValue:
    interval = interval_of(replicates)
    low, high = (interval.low, interval.high) if interval else (None, None)
    return MetricValue(value=float(values.mean()), low=low, high=high, n=len(values))


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _check_identities(values: Mapping[str, NDArray[np.float64]]) -> None:
    iou, dice = values["iou"], values["dice"]
    in_range = all(bool(np.all((value >= 0) & (value <= 1))) for value in values.values())
    if not in_range or not np.allclose(dice, 2 * iou / (1 + iou), rtol=0, atol=1e-9):
        raise TrialError("areas contradict each other: every metric must lie in 0..1 and Dice be 2 IoU / (1 + IoU)")
