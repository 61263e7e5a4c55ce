"""Cosines of images and prompts, with the ways to make one of several prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medbench_tasks.zeroshot.recipe import Ensemble

_LEAST = 1e-12


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, D) rows scaled to length 1; a row of zeros stays as it is."""
    wide = vectors.astype(np.float64)
    scaled: NDArray[np.float64] = wide / np.maximum(np.linalg.norm(wide, axis=-1, keepdims=True), _LEAST)
    return scaled


def similarity(images: NDArray[np.float64], texts: NDArray[np.floating], ensemble: Ensemble) -> NDArray[np.float64]:
    """(N,) how alike each of N images (unit rows) is to T prompts of one meaning (T, D), not normalised.

    ``mean-then-normalise`` takes the cosine to the mean of the prompts as they are (Med-ST's release),
    ``normalise-then-mean`` to the mean of unit prompts, and ``max`` the cosine to the nearest prompt.
    """
    if ensemble == "max":
        nearest: NDArray[np.float64] = (images @ unit(texts).T).max(axis=1)
        return nearest
    prompts = texts.astype(np.float64) if ensemble == "mean-then-normalise" else unit(texts)
    cosine: NDArray[np.float64] = images @ unit(prompts.mean(axis=0))
    return cosine


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows (N, K) that sum to one."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares
