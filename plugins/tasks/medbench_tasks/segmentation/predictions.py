"""The table of per-sample predictions: run-length masks of prediction and truth, enough to score again without a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medbench.manifest import ATTRIBUTES, Manifest
from medbench.masks import encode_mask
from medbench.records import MetricValue
from medbench.samples import Mask
from medbench_tasks.segmentation.metrics import MaskMeans, overlap_of

SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("patient_id", pa.string(), nullable=False),
        pa.field("batch", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("prediction", pa.binary(), nullable=False),
        pa.field("truth", pa.binary(), nullable=False),
        *(pa.field(name, pa.string()) for name in ATTRIBUTES),
    ]
)
"""Masks are COCO run-length counts at ``height`` x ``width``; ``batch`` is for the as-released mean of batch means.

Tables of older versions lack the attributes.
"""


def prediction_table(
    manifest: Manifest, *, predictions: Sequence[Mask], truths: Sequence[Mask], batch_size: int
) -> pa.Table:
    """A table of `SCHEMA` for the rows of ``manifest`` in order."""
    return pa.Table.from_pydict(
        {
            "sample_id": manifest.sample_ids,
            "patient_id": manifest.patient_ids,
            "batch": [index // batch_size for index in range(len(manifest))],
            "height": [truth.height for truth in truths],
            "width": [truth.width for truth in truths],
            "prediction": [prediction.counts for prediction in predictions],
            "truth": [truth.counts for truth in truths],
            **{name: manifest.attribute(name) for name in ATTRIBUTES},
        },
        schema=SCHEMA,
    )


def score_table(table: pa.Table) -> dict[str, MetricValue]:
    """Every metric by name, from a table of `SCHEMA`."""
    return means_of(table).values(np.ones(table.num_rows, np.bool_))


def means_of(table: pa.Table) -> MaskMeans:
    """What every metric is the mean of, from a table of `SCHEMA`."""
    batches: NDArray[np.int64] = table.column("batch").to_numpy().astype(np.int64)
    overlap = overlap_of(masks_of(table, "prediction"), masks_of(table, "truth"))
    return MaskMeans.of(overlap, batches, table.column("patient_id").to_pylist())


def masks_of(table: pa.Table, column: str) -> list[Mask]:
    """The masks of the column ``prediction`` or ``truth``."""
    columns = (table.column(name).to_pylist() for name in ("height", "width", column))
    return [Mask(height, width, counts) for height, width, counts in zip(*columns, strict=True)]


def constant_table(
    manifest: Manifest, pixels: NDArray[np.generic], truths: Sequence[Mask], batch_size: int
) -> pa.Table:
    """The table of an answer that is the same mask ``pixels`` (size, size) on every image."""
    answer = encode_mask(pixels)
    return prediction_table(manifest, predictions=[answer] * len(manifest), truths=truths, batch_size=batch_size)
