"""The masks of a manifest in a recipe's square frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np

from medbench.errors import TrialError
from medbench_tasks.segmentation.frames import nearest_mask, padded_mask, squashed_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medbench.manifest import Manifest
    from medbench.protocols import PhaseReporter
    from medbench.samples import Mask
    from medbench_tasks.segmentation.recipe import SegmentationRecipe


class FramedMasks(Protocol):
    """``self[i]`` is the mask of row ``i``: (S, S) float32 in 0..1."""

    def __getitem__(self, index: int) -> NDArray[np.float32]: ...


def framed_masks(manifest: Manifest, recipe: SegmentationRecipe, progress: PhaseReporter) -> FramedMasks:
    """The masks in the recipe's ``mask_frame``. Raises `TrialError` for a row without one, now or when it is asked for."""
    if recipe.mask_frame == "pad":
        return PaddedMasks(manifest, recipe.image_size)
    frame = squashed_mask if recipe.mask_frame == "squash" else nearest_mask
    return SquashedMasks(manifest, recipe.image_size, progress, frame=frame)


class SquashedMasks:
    """Binary masks, each decoded once, as the phase ``prepare``, and kept at one bit a pixel."""

    def __init__(
        self,
        manifest: Manifest,
        size: int,
        progress: PhaseReporter,
        *,
        frame: Callable[[Mask, int], NDArray[np.float32]] = squashed_mask,
    ) -> None:
        self._size = size
        self._bits = np.empty((len(manifest), (size * size + 7) // 8), np.uint8)
        for index in progress.track(range(len(manifest)), "prepare", len(manifest)):
            self._bits[index] = np.packbits(frame(_mask_of(manifest, index), size) > 0)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        pixels = np.unpackbits(self._bits[index], count=self._size * self._size)
        return pixels.reshape(self._size, self._size).astype(np.float32)


class PaddedMasks:
    """Masks with soft edges, decoded at every access: they take 32 bits a pixel, gigabytes for a whole data set."""

    def __init__(self, manifest: Manifest, size: int) -> None:
        self._manifest = manifest
        self._size = size

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        return padded_mask(_mask_of(self._manifest, index), self._size)


def _mask_of(manifest: Manifest, index: int) -> Mask:
    row = manifest.row(index)
    if row.mask is None:
        raise TrialError(f"sample {row.sample_id} has no mask annotation")
    return row.mask
