"""Relevance maps to look at, over the places where the finding was drawn.

An image is right where at least half of the peak lies inside the finding, the share that the pointing game counts. Its score
is the IoU of what was answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medbench.protocols import Example, Shown
from medbench_tasks.exhibits import spread
from medbench_tasks.grounding.metrics import per_image
from medbench_tasks.grounding.predictions import areas_from, drawn_from, maps_from

if TYPE_CHECKING:
    import pyarrow as pa

MEASURE = "IoU"
HALF_INSIDE = 0.5


def show_maps(table: pa.Table, finding: str, count: int) -> list[Example]:
    """Up to ``count`` right and ``count`` wrong images, spread over their IoU.

    Where tables of older versions do not keep what was drawn, the truth is the ``finding``'s name alone.
    """
    values = per_image(areas_from(table))
    sample_ids = table.column("sample_id").to_pylist()
    right, iou = values["pointing-game"] >= HALF_INSIDE, values["iou"]
    rows = spread(sample_ids, right, iou, count)
    chosen = table.take(np.array(rows, np.int64))
    return [
        Example(
            sample_id=sample_ids[row],
            right=bool(right[row]),
            truth=Shown(text=finding, mask=truth),
            answer=Shown(text=finding, heat=np.maximum(relevance, 0)),
            score=float(iou[row]),
            measure=MEASURE,
        )
        for row, relevance, truth in zip(rows, maps_from(chosen), drawn_from(chosen), strict=True)
    ]
