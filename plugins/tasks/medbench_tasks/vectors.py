"""Feature vectors as directions, for what compares them by cosine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medbench.errors import TrialError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMALLEST_NORM = 1e-12


def unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D) scaled to a Euclidean length of 1; zeros stay zeros. Raises `TrialError` where one is not finite."""
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise TrialError(
            f"the features of {len(bad)} of {len(vectors)} samples are not finite (first: number {bad[0]})"
        )
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = vectors / np.maximum(lengths, np.float32(_SMALLEST_NORM))
    return scaled
