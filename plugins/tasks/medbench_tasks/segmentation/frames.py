"""Masks at the network's square size, and image and mask moved together.

The image is always squashed to the square (`medbench_tasks.pixels`). Recipe ``standard`` squashes the mask with it. The
published code keeps the mask's aspect, pads it and leaves its edges soft, so that image and mask only lie on each other
where the image is square (RSNA and SIIM are).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from medbench.masks import decode_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medbench.samples import Mask

MAX_ROTATION = 10.0
MAX_SCALING = 0.1
PROBABILITY = 0.5


def squashed_mask(mask: Mask, size: int) -> NDArray[np.float32]:
    """A mask as (size, size) of 0 and 1: squashed by area, foreground where at least half of the pixel is."""
    area = cv2.resize(decode_mask(mask).astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    return (area >= 0.5).astype(np.float32)


def nearest_mask(mask: Mask, size: int) -> NDArray[np.float32]:
    """A mask as (size, size) of 0 and 1: squashed, each pixel its nearest, as in the MeDSLIP release."""
    return cv2.resize(decode_mask(mask), (size, size), interpolation=cv2.INTER_NEAREST).astype(np.float32)


def padded_mask(mask: Mask, size: int) -> NDArray[np.float32]:
    """A mask as (size, size) in 0..1, as published: longer side to ``size`` by area, zeros around the shorter."""
    pixels = decode_mask(mask).astype(np.float32)
    longest = max(pixels.shape)
    height, width = (max(1, side * size // longest) for side in pixels.shape)
    canvas = np.zeros((size, size), np.float32)
    top, left = (size - height) // 2, (size - width) // 2
    canvas[top : top + height, left : left + width] = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return canvas


def shift_scale_rotate(
    image: NDArray[np.uint8], mask: NDArray[np.float32], generator: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """With probability 0.5, image and mask turned by up to 10 degrees and scaled by 0.9 to 1.1 about the centre.

    Zeros come in from outside; no shift, as in the MGCA release. The mask takes its nearest pixel and so gets no new values.
    """
    if generator.random() >= PROBABILITY:
        return image, mask
    angle = generator.uniform(-MAX_ROTATION, MAX_ROTATION)
    scale = 1 + generator.uniform(-MAX_SCALING, MAX_SCALING)
    height, width = image.shape
    matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), angle, scale)
    return (
        cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR),
        cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_NEAREST),
    )
