"""The table of out-of-fold answers for image pairs: enough to score again without a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medbench.errors import TrialError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medbench.manifest import Manifest

SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("patient_id", pa.string(), nullable=False),
        pa.field("findings", pa.list_(pa.string()), nullable=False),
        pa.field("truth", pa.list_(pa.int8()), nullable=False),
        pa.field("predicted", pa.list_(pa.int8()), nullable=False),
        pa.field("folds", pa.list_(pa.int8()), nullable=False),
    ]
)
"""Lists hold one value a finding. ``truth`` is -1 where unknown; ``predicted`` and ``folds`` are -1 where nothing was
answered."""


@dataclass(frozen=True)
class PairPredictions:
    """The table as arrays: N pairs, F findings; ``truth``, ``predicted`` and ``folds`` are (N, F) int8."""

    patient_ids: list[str]
    findings: tuple[str, ...]
    truth: NDArray[np.int8]
    predicted: NDArray[np.int8]
    folds: NDArray[np.int8]

    @property
    def answered(self) -> NDArray[np.bool_]:
        """(N, F) whether the finding is known of the pair and was answered."""
        mask: NDArray[np.bool_] = (self.truth >= 0) & (self.predicted >= 0)
        return mask


def pair_table(
    manifest: Manifest,
    findings: Sequence[str],
    *,
    truth: NDArray[np.int8],
    predicted: NDArray[np.int8],
    folds: NDArray[np.int8],
) -> pa.Table:
    """A table of `SCHEMA` for the rows of ``manifest`` in order."""
    table: pa.Table = pa.Table.from_pydict(
        {
            "sample_id": manifest.sample_ids,
            "patient_id": manifest.patient_ids,
            "findings": [list(findings)] * len(manifest),
            "truth": truth.tolist(),
            "predicted": predicted.tolist(),
            "folds": folds.tolist(),
        },
        schema=SCHEMA,
    )
    return table


def read_pairs(table: pa.Table) -> PairPredictions:
    """The arrays of a table of `SCHEMA`. Raises `TrialError` where it has no row."""
    if not table.num_rows:
        raise TrialError("there is no prediction to score")

    def array(column: str) -> NDArray[np.int8]:
        return np.array(table.column(column).to_pylist(), np.int8).reshape(table.num_rows, -1)

    return PairPredictions(
        patient_ids=table.column("patient_id").to_pylist(),
        findings=tuple(table.column("findings")[0].as_py()),
        truth=array("truth"),
        predicted=array("predicted"),
        folds=array("folds"),
    )
