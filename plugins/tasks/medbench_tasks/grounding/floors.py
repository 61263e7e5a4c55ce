"""Answers that look at no image: everywhere, and where the finding usually is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from medbench_tasks.grounding.metrics import count
from medbench_tasks.grounding.predictions import Answer, answer_table
from medbench_tasks.grounding.truths import drawn

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from medbench.manifest import Manifest
    from medbench_tasks.grounding.truths import Truths

_CELLS = 14


def floor_tables(train: Manifest, label: str, test: Truths, side: int) -> Mapping[str, pa.Table]:
    """``all-ones`` answers every pixel; ``usual-place`` the cells that most often show ``label`` in the training part.

    The second is left out where the training part draws it nowhere. It answers as many of 14 x 14 cells as a finding
    covers on average.
    """
    tables = {"all-ones": _constant(test, np.ones((1, 1), np.float32), 0.5, side)}
    usual = usual_place(mask for _, mask in drawn(train, label, side))
    if usual is not None:
        cells = max(1, round(float(usual.mean()) * usual.size))
        least = np.sort(usual, axis=None)[-cells]
        tables["usual-place"] = _constant(test, usual, float(np.nextafter(least, np.float32(-1))), side)
    return tables


def usual_place(masks: Iterable[NDArray[np.bool_]]) -> NDArray[np.float32] | None:
    """(14, 14) how often each cell of the frame shows the finding, in 0..1; None without masks."""
    import cv2

    total: NDArray[np.float64] | None = None
    number = 0
    for mask in masks:
        number += 1
        total = mask.astype(np.float64) if total is None else total + mask
    if total is None:
        return None
    pooled: NDArray[np.float64] = cv2.resize(total / number, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    return pooled.astype(np.float32)


def _constant(test: Truths, relevance: NDArray[np.float32], threshold: float, side: int) -> pa.Table:
    rows, columns = (np.arange(side) * cells // side for cells in relevance.shape)
    frame = relevance.astype(np.float64)[np.ix_(rows, columns)]
    answers = [Answer(count(frame, truth, threshold), relevance) for truth in test.masks]
    return answer_table(test, answers)
