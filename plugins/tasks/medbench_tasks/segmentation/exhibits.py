"""Masks to look at, beside the true ones.

Dice knows no right and wrong, so an image with foreground is right where it is of the better half of these by its Dice, and
one without where it was answered empty. Images that are empty in truth and answer are shown only where others do not suffice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medbench.protocols import Example, Shown
from medbench_tasks.exhibits import better_half, spread
from medbench_tasks.segmentation.metrics import dice_each, overlap_of
from medbench_tasks.segmentation.predictions import masks_of

if TYPE_CHECKING:
    import pyarrow as pa

MEASURE = "Dice"


def show_masks(table: pa.Table, count: int) -> list[Example]:
    """Up to ``count`` right and ``count`` wrong images, spread over their Dice."""
    answers, truths = masks_of(table, "prediction"), masks_of(table, "truth")
    overlap = overlap_of(answers, truths)
    dice = dice_each(overlap)
    halves = better_half(np.where(overlap.positive, dice, np.nan))
    right = np.where(overlap.positive, halves, overlap.predicted == 0)
    empty = overlap.predicted + overlap.truth == 0
    sample_ids = table.column("sample_id").to_pylist()
    return [
        Example(
            sample_id=sample_ids[row],
            right=bool(right[row]),
            truth=Shown(mask=truths[row]),
            answer=Shown(mask=answers[row]),
            score=float(dice[row]),
            measure=MEASURE,
            by_half=True,
        )
        for row in spread(sample_ids, right, dice, count, empty=empty)
    ]
