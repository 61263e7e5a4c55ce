"""Rows of a manifest as images with their masks, for training and prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from medbench.manifest import Manifest
from medbench.masks import encode_mask
from medbench.protocols import PhaseReporter
from medbench.samples import Mask
from medbench_tasks.pixels import SquashedPixels
from medbench_tasks.segmentation.framed import framed_masks
from medbench_tasks.segmentation.frames import shift_scale_rotate
from medbench_tasks.segmentation.recipe import SegmentationRecipe


class SegmentationSamples(Dataset):  # type: ignore[type-arg]
    """`medbench_tasks.pyramid.DenseSamples` over rows that all carry a mask.

    With ``augment_seed`` an item is drawn anew in every epoch, from its own generator of seed, epoch and index: the same
    whatever the number of workers, and after a resumption.
    """

    def __init__(
        self,
        manifest: Manifest,
        pixels: SquashedPixels,
        recipe: SegmentationRecipe,
        progress: PhaseReporter,
        *,
        augment_seed: int | None = None,
    ) -> None:
        self.manifest = manifest
        self._pixels = pixels
        self._size = recipe.image_size
        self._progress = progress
        self._masks = framed_masks(manifest, recipe, progress)
        self._augment_seed = augment_seed
        self._epoch = 0

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if self._augment_seed is None:
            return {"inputs": self.image(index), "data_samples": self.target(index)}
        generator = np.random.default_rng((self._augment_seed, self._epoch, index))
        pixels, mask = shift_scale_rotate(self._pixels[index], self.mask(index), generator)
        return {"inputs": torch.from_numpy(pixels), "data_samples": self._element(mask)}

    def set_epoch(self, epoch: int) -> None:
        """Draw the augmentations of that epoch from now on; workers that start afterwards follow."""
        self._epoch = epoch

    def image(self, index: int) -> Tensor:
        """(S, S) uint8, never augmented."""
        return torch.from_numpy(self._pixels[index])

    def target(self, index: int) -> SegDataSample:
        """The mask as ``gt_sem_seg`` (1, S, S) float32, never augmented."""
        return self._element(self.mask(index))

    def mask(self, index: int) -> NDArray[np.float32]:
        """(S, S) in 0..1: the mask in the recipe's frame."""
        return self._masks[index]

    def truth(self, index: int) -> Mask:
        """The mask that metrics compare with: true where `mask` is above one half."""
        return encode_mask(self.mask(index) > 0.5)

    def _element(self, mask: NDArray[np.float32]) -> SegDataSample:
        shape = (self._size, self._size)
        element = SegDataSample(metainfo={"img_shape": shape, "ori_shape": shape})
        element.gt_sem_seg = PixelData(data=torch.from_numpy(mask)[None])
        return element
