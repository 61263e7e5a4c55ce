"""Training samples cut out at random scale and place, as MeDSLIP's segmentation trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torchvision.transforms import RandomResizedCrop

from medbench_tasks.pixels import squash
from medbench_tasks.segmentation.framed import SquashedMasks
from medbench_tasks.segmentation.frames import nearest_mask
from medbench_tasks.segmentation.samples import SegmentationSamples

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

SOURCE = 512
"""Side of the square that crops are cut from: the smallest, a fifth of its area, still has about the network's 224."""
SCALE = (0.2, 1.0)
RATIO = (3 / 4, 4 / 3)
FLIP = 0.5


class CroppedSamples(SegmentationSamples):
    """`SegmentationSamples` whose ``pixels`` are of `SOURCE`; items are cropped, or squashed where never augmented."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._large_masks = SquashedMasks(self.manifest, SOURCE, self._progress, frame=nearest_mask)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if self._augment_seed is None:
            return super().__getitem__(index)
        generator = np.random.default_rng((self._augment_seed, self._epoch, index))
        pixels, mask = crop_and_flip(self._pixels[index], self._large_masks[index], self._size, generator)
        return {"inputs": torch.from_numpy(pixels), "data_samples": self._element(mask)}

    def image(self, index: int) -> Tensor:
        """(S, S) uint8, the whole image squashed."""
        return torch.from_numpy(squash(self._pixels[index], self._size))


def crop_and_flip(
    image: NDArray[np.uint8], mask: NDArray[np.float32], size: int, generator: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The same cut of image and mask at (size, size): a fifth to all of the area, mirrored half of the time.

    The image is resized by area, which is what the release's interpolation number means to OpenCV; the mask takes its
    nearest pixel.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator.integers(2**63)))
        top, left, height, width = RandomResizedCrop.get_params(torch.empty(1, *image.shape), SCALE, RATIO)
    cut = (slice(top, top + height), slice(left, left + width))
    pixels = cv2.resize(image[cut], (size, size), interpolation=cv2.INTER_AREA)
    truth = cv2.resize(mask[cut], (size, size), interpolation=cv2.INTER_NEAREST)
    if generator.random() < FLIP:
        pixels, truth = np.ascontiguousarray(pixels[:, ::-1]), np.ascontiguousarray(truth[:, ::-1])
    return pixels, truth
