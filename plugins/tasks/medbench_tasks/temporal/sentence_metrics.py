"""The table of sentence similarities, and AUROC and accuracies from it alone, with intervals over pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medbench.errors import TrialError, UnknownNameError
from medbench.records import MetricValue
from medbench.statistics import interval_of, patient_counts, weighted_sums
from medbench_tasks.classification.ranking import ranking_estimates
from medbench_tasks.temporal.thresholds import RELEASED_FOLDS, released_threshold

if TYPE_CHECKING:
    from medbench.manifest import Manifest

SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("patient_id", pa.string(), nullable=False),
        pa.field("similarity", pa.float64(), nullable=False),
        pa.field("truth", pa.int8(), nullable=False),
        pa.field("threshold", pa.float64()),
    ]
)
"""``truth`` is 1 for sentences that mean the same; ``threshold`` is that of the other folds, null where there are none."""

METRICS = ("auroc", "accuracy", "accuracy-as-released")


def sentence_table(
    manifest: Manifest,
    *,
    similarity: NDArray[np.float64],
    truth: NDArray[np.integer],
    thresholds: NDArray[np.float64],
) -> pa.Table:
    """A table of `SCHEMA` for the rows of ``manifest`` in order; a NaN threshold is none."""
    table: pa.Table = pa.Table.from_pydict(
        {
            "sample_id": manifest.sample_ids,
            "patient_id": manifest.patient_ids,
            "similarity": similarity,
            "truth": truth.astype(np.int8),
            "threshold": pa.array(thresholds, pa.float64(), mask=np.isnan(thresholds)),
        },
        schema=SCHEMA,
    )
    return table


def score_sentences(table: pa.Table, names: Sequence[str], folds: int) -> dict[str, MetricValue]:
    """The metrics of those names; ``folds`` were asked for. Raises `UnknownNameError`, `TrialError` for an empty table."""
    pairs = SentencePairs.of(table)
    points, replicates = _estimates(pairs, _once(pairs)), _estimates(pairs, patient_counts(pairs.ids))
    _check(names)
    return {name: _value(pairs, name, points[name][0], replicates[name], folds) for name in names}


def replicate_sentences(table: pa.Table, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """The metrics' bootstrap replicates (R,); NaN where undefined. Thresholds are held fixed in them."""
    pairs = SentencePairs.of(table)
    _check(names)
    found = _estimates(pairs, patient_counts(pairs.ids))
    return {name: found[name] for name in names}


@dataclass(frozen=True)
class SentencePairs:
    """A table of `SCHEMA` as columns, (N,) each; ``threshold`` is NaN where there is none."""

    ids: list[str]
    similarity: NDArray[np.float64]
    truth: NDArray[np.int8]
    threshold: NDArray[np.float64]

    @classmethod
    def of(cls, table: pa.Table) -> SentencePairs:
        """Raises `TrialError` for an empty table."""
        if not table.num_rows:
            raise TrialError("there is no prediction to score")
        thresholds = [np.nan if value is None else value for value in table.column("threshold").to_pylist()]
        return cls(
            ids=table.column("patient_id").to_pylist(),
            similarity=np.array(table.column("similarity").to_pylist(), np.float64),
            truth=np.array(table.column("truth").to_pylist(), np.int8),
            threshold=np.array(thresholds, np.float64),
        )


def _once(pairs: SentencePairs) -> NDArray[np.uint8]:
    return np.ones((len(pairs.truth), 1), np.uint8)


def _estimates(pairs: SentencePairs, counts: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float64]]:
    """By metric, (R,) estimates; ``counts`` (N, R) is how often each pair stands in each replicate."""
    released = released_threshold(pairs.similarity, pairs.truth)
    fixed = np.full(len(pairs.truth), np.nan if released is None else released)
    ranking = ranking_estimates(pairs.truth[:, None], pairs.similarity[:, None], counts, ["auroc"])
    return {
        "auroc": ranking["auroc"][:, 0],
        "accuracy": _accuracy(pairs, pairs.threshold, counts),
        "accuracy-as-released": _accuracy(pairs, fixed, counts),
    }


def _accuracy(pairs: SentencePairs, thresholds: NDArray[np.float64], counts: NDArray[np.uint8]) -> NDArray[np.float64]:
    if np.isnan(thresholds).any():
        return np.full(counts.shape[1], np.nan)
    correct = (pairs.similarity > thresholds) == (pairs.truth == 1)
    sums = weighted_sums(np.stack([correct, np.ones_like(correct)], axis=1).astype(np.float64), counts)
    accuracy: NDArray[np.float64] = sums[:, 0] / sums[:, 1]
    return accuracy


def _value(pairs: SentencePairs, name: str, point: float, replicates: NDArray[np.float64], folds: int) -> MetricValue:
    n = len(pairs.truth)
    if np.isnan(point):
        return MetricValue(value=None, n=n, note=_why_not(pairs, name, folds))
    interval = interval_of(replicates)
    if interval is None:
        return MetricValue(value=float(point), n=n)
    return MetricValue(value=float(point), low=interval.low, high=interval.high, n=n)


def _why_not(pairs: SentencePairs, name: str, folds: int) -> str:
    if name == "accuracy-as-released":
        return f"fewer pairs than {RELEASED_FOLDS} folds"
    if len(np.unique(pairs.truth)) == 1:
        return "one class only"
    return f"too few pairs, or too many that share a sentence, for {folds} folds"


def _check(names: Sequence[str]) -> None:
    for name in names:
        if name not in METRICS:
            raise UnknownNameError("metric of sentence pairs", name, METRICS)
