"""Large pictures at a smaller size, the aspect kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def reduced_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Height and width with a shorter side of ``side`` pixels at most; 0 leaves every size.

    The longer side is in proportion, rounded to the nearest pixel and a half up.
    """
    shorter = min(height, width)
    if not side or shorter <= side:
        return height, width
    return (2 * height * side + shorter) // (2 * shorter), (2 * width * side + shorter) // (2 * shorter)


def reduced(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(H, W) or (H, W, 3) at `reduced_size`, by the mean over the area of each new pixel (OpenCV's INTER_AREA)."""
    height, width = reduced_size(pixels.shape[0], pixels.shape[1], side)
    if (height, width) == pixels.shape[:2]:
        return pixels
    import cv2

    smaller: NDArray[np.uint8] = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return smaller
