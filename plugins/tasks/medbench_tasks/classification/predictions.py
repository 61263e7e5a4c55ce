"""The table of per-sample predictions of every classification protocol: enough to score again without a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medbench.errors import TrialError
from medbench.manifest import ATTRIBUTES
from medbench.specs import Target

if TYPE_CHECKING:
    from medbench.manifest import Manifest

SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("patient_id", pa.string(), nullable=False),
        pa.field("scores", pa.list_(pa.float64()), nullable=False),
        pa.field("truth", pa.list_(pa.int8()), nullable=False),
        pa.field("thresholds", pa.list_(pa.float64()), nullable=False),
        pa.field("labels", pa.list_(pa.string()), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("probabilities", pa.bool_(), nullable=False),
        *(pa.field(name, pa.string()) for name in ATTRIBUTES),
    ]
)
"""Lists hold one value a label, in the order of ``labels``. ``truth`` is -1 where masked. A score above (not at) its label's
threshold answers present; multi-class answers are the highest score. The last columns before the attributes are the same
in every row, which costs next to nothing in Parquet and lets each row be read alone."""


@dataclass(frozen=True)
class Predictions:
    """A prediction table as arrays: N samples, K labels.

    ``truth`` (N, K) int8 is 1, 0 or -1 (masked); ``scores`` (N, K) are finite, and within 0..1 where ``probabilities``;
    ``thresholds`` (K,). ``attributes`` maps ``sex``, ``age``, ``view`` to N strings, '' where unknown.
    """

    sample_ids: list[str]
    patient_ids: list[str]
    target: Target
    truth: NDArray[np.int8]
    scores: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    probabilities: bool
    attributes: dict[str, list[str]]

    def __len__(self) -> int:
        return len(self.sample_ids)

    @property
    def multi_class(self) -> bool:
        return self.target.kind == "multi-class"

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(N,) whether the sample has any label that is not masked."""
        return np.any(self.truth >= 0, axis=1)

    def take(self, rows: NDArray[np.int64]) -> Predictions:
        """The samples at ``rows``, in that order."""
        return replace(
            self,
            sample_ids=[self.sample_ids[row] for row in rows],
            patient_ids=[self.patient_ids[row] for row in rows],
            truth=self.truth[rows],
            scores=self.scores[rows],
            attributes={name: [values[row] for row in rows] for name, values in self.attributes.items()},
        )


def prediction_table(
    manifest: Manifest,
    target: Target,
    *,
    truth: NDArray[np.int8],
    scores: NDArray[np.floating],
    thresholds: NDArray[np.floating],
    probabilities: bool = True,
) -> pa.Table:
    """A table of `SCHEMA` for the rows of ``manifest`` in order.

    ``target`` is settled, with K labels; ``truth`` and ``scores`` are (N, K), ``thresholds`` (K,). ``probabilities`` is False
    where scores are no probabilities (differences, distances), so that calibration is not asked of them. Raises `TrialError`
    where shapes disagree, where a score or threshold is not finite (naming the sample), and where a probability is not within
    0..1.
    """
    rows, width = len(manifest), len(target.labels)
    answers, cuts = np.asarray(scores, np.float64), np.asarray(thresholds, np.float64)
    _check_shapes(rows, width, truth=truth, scores=answers, thresholds=cuts)
    _check_scores(answers, cuts, manifest.sample_ids, target.labels, probabilities)
    table: pa.Table = pa.Table.from_pydict(
        {
            "sample_id": manifest.sample_ids,
            "patient_id": manifest.patient_ids,
            "scores": _lists(answers, pa.float64()),
            "truth": _lists(np.asarray(truth, np.int8), pa.int8()),
            "thresholds": _lists(np.tile(cuts, (rows, 1)), pa.float64()),
            "labels": _repeated(target.labels, rows),
            "kind": pa.repeat(pa.scalar(target.kind), rows),
            "probabilities": pa.repeat(pa.scalar(probabilities), rows),
            **{name: manifest.attribute(name) for name in ATTRIBUTES},
        },
        schema=SCHEMA,
    )
    return table


def read_predictions(table: pa.Table) -> Predictions:
    """The arrays of a table of `SCHEMA`. Raises `TrialError` where it has no row or a score that is not finite."""
    if not table.num_rows:
        raise TrialError("there is no prediction to score")
    first = table.slice(0, 1).to_pylist()[0]
    labels = tuple(first["labels"])
    sample_ids: list[str] = table.column("sample_id").to_pylist()
    scores = _array(table, "scores", len(labels)).astype(np.float64)
    thresholds = np.asarray(first["thresholds"], np.float64)
    _check_scores(scores, thresholds, sample_ids, labels, first["probabilities"])
    return Predictions(
        sample_ids=sample_ids,
        patient_ids=table.column("patient_id").to_pylist(),
        target=Target(kind=first["kind"], labels=labels),
        truth=_array(table, "truth", len(labels)).astype(np.int8),
        scores=scores,
        thresholds=thresholds,
        probabilities=first["probabilities"],
        attributes={name: [value or "" for value in table.column(name).to_pylist()] for name in ATTRIBUTES},
    )


def _check_shapes(rows: int, width: int, **arrays: NDArray[np.generic]) -> None:
    wanted = {"truth": (rows, width), "scores": (rows, width), "thresholds": (width,)}
    for name, array in arrays.items():
        if array.shape != wanted[name]:
            raise TrialError(f"{name} are of shape {array.shape}, where {wanted[name]} is needed")


def _check_scores(
    scores: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    sample_ids: Sequence[str],
    labels: tuple[str, ...],
    probabilities: bool,
) -> None:
    for row, column in np.argwhere(~np.isfinite(scores))[:1]:
        raise TrialError(f"the score of sample '{sample_ids[row]}' for '{labels[column]}' is {scores[row, column]}")
    for column in np.flatnonzero(~np.isfinite(thresholds))[:1]:
        raise TrialError(f"the threshold of '{labels[column]}' is {thresholds[column]}")
    if probabilities:
        for row, column in np.argwhere((scores < 0) | (scores > 1))[:1]:
            raise TrialError(
                f"the probability of '{labels[column]}' in sample '{sample_ids[row]}' is {scores[row, column]}, not in 0..1"
            )


def _lists(values: NDArray[np.generic], kind: pa.DataType) -> pa.Array:
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.reshape(-1), kind))


def _repeated(names: tuple[str, ...], rows: int) -> pa.Array:
    offsets = np.arange(rows + 1, dtype=np.int32) * len(names)
    flat = pa.DictionaryArray.from_arrays(np.tile(np.arange(len(names), dtype=np.int32), rows), pa.array(names))
    return pa.ListArray.from_arrays(pa.array(offsets), flat.cast(pa.string()))


def _array(table: pa.Table, column: str, width: int) -> NDArray[np.generic]:
    flat = table.column(column).combine_chunks().flatten()
    return np.asarray(flat).reshape(table.num_rows, width)
