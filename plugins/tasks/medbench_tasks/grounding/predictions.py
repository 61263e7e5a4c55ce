"""The table of per-sample answers: areas to score again from, and the map itself to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medbench.masks import encode_mask
from medbench.samples import Mask
from medbench_tasks.grounding.frames import placed
from medbench_tasks.grounding.metrics import Areas, Counts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medbench_tasks.grounding.truths import Truths

_COUNTS = [pa.field(name, pa.int32(), nullable=False) for name in Counts._fields]
SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("patient_id", pa.string(), nullable=False),
        *_COUNTS,
        pa.field("map_height", pa.int32(), nullable=False),
        pa.field("map_width", pa.int32(), nullable=False),
        pa.field("map", pa.list_(pa.float32()), nullable=False),
        pa.field("seen", pa.list_(pa.float64(), 4), nullable=False),
        pa.field("side", pa.int32(), nullable=False),
        pa.field("drawn", pa.binary(), nullable=False),
    ]
)
"""Areas are pixels of the recipe's frame; ``map`` is the method's own relevance, row by row, before any threshold.

It lies over the ``seen`` part of the image (`medbench_tasks.grounding.frames.seen_part`). ``drawn`` is the truth as COCO
run-length counts at ``side`` x ``side`` pixels. Tables of older versions lack these three.
"""
_SHOWN_SIDE = 112
"""Pixels of a side of a map that is shown, where the method did not see the image as it is."""
_WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Answer:
    """The areas of one image, the (h, w) map that they come from, and the part of the image that it lies over."""

    counts: Counts
    relevance: NDArray[np.float32]
    seen: tuple[float, float, float, float] = _WHOLE


def answer_table(test: Truths, answers: Sequence[Answer]) -> pa.Table:
    """A table of `SCHEMA` for the samples of ``test`` in order."""
    masks = [encode_mask(mask) for mask in test.masks]
    columns = {name: [getattr(answer.counts, name) for answer in answers] for name in Counts._fields}
    return pa.Table.from_pydict(
        {
            "sample_id": test.manifest.sample_ids,
            "patient_id": test.manifest.patient_ids,
            **columns,
            "map_height": [answer.relevance.shape[0] for answer in answers],
            "map_width": [answer.relevance.shape[1] for answer in answers],
            "map": [answer.relevance.ravel() for answer in answers],
            "seen": [answer.seen for answer in answers],
            "side": [mask.height for mask in masks],
            "drawn": [mask.counts for mask in masks],
        },
        schema=SCHEMA,
    )


def areas_from(table: pa.Table) -> Areas:
    """The areas of a table of `SCHEMA`."""
    return Areas(*(table.column(name).to_numpy().astype(np.float64) for name in Counts._fields))


def maps_from(table: pa.Table) -> Iterator[NDArray[np.float32]]:
    """Each row's map, over the whole image as far as the table says what of it was seen."""
    seen = table.column("seen").to_pylist() if "seen" in table.column_names else [_WHOLE] * table.num_rows
    columns = (table.column(name).to_pylist() for name in ("map", "map_height", "map_width"))
    for values, height, width, part in zip(*columns, seen, strict=True):
        relevance = np.array(values, np.float32).reshape(height, width)
        yield relevance if tuple(part) == _WHOLE else placed(relevance, tuple(part), _SHOWN_SIDE)


def drawn_from(table: pa.Table) -> list[Mask | None]:
    """Each row's truth; None where the table does not keep it."""
    if "drawn" not in table.column_names:
        return [None] * table.num_rows
    columns = (table.column(name).to_pylist() for name in ("side", "drawn"))
    return [Mask(side, side, counts) for side, counts in zip(*columns, strict=True)]
