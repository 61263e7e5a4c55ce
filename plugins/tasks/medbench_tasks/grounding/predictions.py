"""The table of per-sample answers: areas to score again from, and the map itself to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medbench_tasks.grounding.metrics import Areas, Counts

if TYPE_CHECKING:
    from medbench.manifest import Manifest

_COUNTS = [pa.field(name, pa.int32(), nullable=False) for name in Counts._fields]
SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("patient_id", pa.string(), nullable=False),
        *_COUNTS,
        pa.field("map_height", pa.int32(), nullable=False),
        pa.field("map_width", pa.int32(), nullable=False),
        pa.field("map", pa.list_(pa.float32()), nullable=False),
    ]
)
"""Areas are pixels of the recipe's frame; ``map`` is the method's own relevance, row by row, before any threshold."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The areas of one image and the (h, w) map that they come from."""

    counts: Counts
    relevance: NDArray[np.float32]


def answer_table(manifest: Manifest, answers: Sequence[Answer]) -> pa.Table:
    """A table of `SCHEMA` for the rows of ``manifest`` in order."""
    columns = {name: [getattr(answer.counts, name) for answer in answers] for name in Counts._fields}
    return pa.Table.from_pydict(
        {
            "sample_id": manifest.sample_ids,
            "patient_id": manifest.patient_ids,
            **columns,
            "map_height": [answer.relevance.shape[0] for answer in answers],
            "map_width": [answer.relevance.shape[1] for answer in answers],
            "map": [answer.relevance.ravel() for answer in answers],
        },
        schema=SCHEMA,
    )


def areas_from(table: pa.Table) -> Areas:
    """The areas of a table of `SCHEMA`."""
    return Areas(*(table.column(name).to_numpy().astype(np.float64) for name in Counts._fields))
