"""Rows of a manifest as images or features with their truth, for training and prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from medbench_tasks.pyramid import FeatureItems

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medbench_tasks.finetuning.augment import Augmentation
    from medbench_tasks.pixels import StoredPixels


class ImageItems(Dataset):  # type: ignore[type-arg]
    """``self[i]`` is ``{"inputs": (S, S) uint8, "data_samples": (K,) int8 truth}``, augmented anew in every epoch."""

    def __init__(self, pixels: StoredPixels, truth: NDArray[np.int8], augmentation: Augmentation | None = None) -> None:
        self._pixels = pixels
        self._truth = torch.tensor(truth)
        self._augmentation = augmentation
        self._epoch = 0

    def __len__(self) -> int:
        return len(self._truth)

    def __getitem__(self, index: int) -> dict[str, Any]:
        pixels = self._pixels[index]
        image = (
            torch.from_numpy(pixels) if self._augmentation is None else self._augmentation(pixels, self._epoch, index)
        )
        return {"inputs": image, "data_samples": self._truth[index]}

    def set_epoch(self, epoch: int) -> None:
        """Draw the augmentations of that epoch from now on; workers that start afterwards follow."""
        self._epoch = epoch


class _Truths:
    """The truth alone, as `medbench_tasks.pyramid.FeatureItems` asks for it."""

    def __init__(self, truth: NDArray[np.int8]) -> None:
        self._truth = torch.tensor(truth)

    def __len__(self) -> int:
        return len(self._truth)

    def target(self, index: int) -> Tensor:
        return self._truth[index]


def feature_items(features: NDArray[np.float32], truth: NDArray[np.int8]) -> FeatureItems:
    """As `ImageItems`, with an image's features (D,) in place of its pixels: ``inputs`` is a tuple of one tensor."""
    return FeatureItems(_Truths(truth), (torch.from_numpy(features),))  # type: ignore[arg-type]
