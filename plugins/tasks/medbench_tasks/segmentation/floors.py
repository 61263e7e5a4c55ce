"""Trivial answers to compare with: no foreground anywhere, and the same mean mask on every image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medbench.samples import Mask
from medbench_tasks.segmentation.predictions import constant_table

if TYPE_CHECKING:
    from medbench.manifest import Manifest
    from medbench.protocols import PhaseReporter
    from medbench_tasks.segmentation.samples import SegmentationSamples


def floor_tables(
    test: Manifest, truths: Sequence[Mask], mean: NDArray[np.float64], batch_size: int
) -> Mapping[str, pa.Table]:
    """``all-background``, and ``mean-mask``: the pixels that more than half of the training masks hold."""
    answers = {"all-background": np.zeros_like(mean), "mean-mask": mean > 0.5}
    return {name: constant_table(test, answer, truths, batch_size) for name, answer in answers.items()}


def mean_mask(samples: SegmentationSamples, progress: PhaseReporter) -> NDArray[np.float64]:
    """(S, S) in 0..1: the mean of the masks of all samples."""
    total = np.zeros_like(samples.mask(0), dtype=np.float64)
    for index in progress.track(range(len(samples)), "prepare", len(samples)):
        total += samples.mask(index)
    return total / len(samples)
