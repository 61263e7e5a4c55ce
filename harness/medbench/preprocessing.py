"""Carrying out a `medbench.capabilities.Preprocess`: one image at a time up to the crop, whole batches afterwards.

Up to the crop images stay 8-bit, grey or RGB, so that threads hand small arrays to the device, which normalises a batch.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from PIL import Image

from medbench.images import MAX_PIXELS

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from medbench.capabilities import Preprocess

LONGEST = isqrt(MAX_PIXELS)
"""Pixels of the longest side that lies on a canvas as it is: no canvas is larger than the largest image (our choice)."""

_BINS = 256
_PILLOW = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def resized(pixels: NDArray[np.uint8], preprocess: Preprocess) -> NDArray[np.uint8]:
    """(H, W) -> (crop, crop): equalised where asked, resized as ``preprocess.mode`` says, cropped at the centre.

    RGB, (H, W, 3), stays RGB throughout this module.
    """
    if preprocess.equalise:
        pixels = equalised(pixels)
    return centre_crop(_to_size(cut(pixels, preprocess), preprocess), preprocess.crop)


def normalised(batch: Tensor, preprocess: Preprocess) -> Tensor:
    """(B, S, S) or (B, S, S, 3) uint8 -> (B, 3, S, S) float32, on its device: divided by 255, then ``(x - mean) / std``."""
    mean = torch.tensor(preprocess.mean, device=batch.device)[:, None, None]
    std = torch.tensor(preprocess.std, device=batch.device)[:, None, None]
    planes = batch[:, None] if batch.ndim == 3 else batch.permute(0, 3, 1, 2)
    return (planes.float().div_(255) - mean) / std


def equalised(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The histogram spread evenly: each value becomes 255 times its place in the distribution, by 256 bins, truncated.

    The same numbers as scikit-image's ``exposure.equalize_hist`` on floating-point pixels, times 255.
    """
    counts, edges = np.histogram(pixels, bins=_BINS)
    share = np.cumsum(counts) / pixels.size
    places = np.interp(np.arange(256), (edges[:-1] + edges[1:]) / 2, share)
    return (255 * places).astype(np.uint8)[pixels]


def padded(pixels: NDArray[np.uint8], side: int, interpolation: str = "area") -> NDArray[np.uint8]:
    """(H, W) -> (side, side): the longer side scaled to ``side``, the shorter one in proportion and padded with zeros.

    The shorter side is rounded down, and the odd pixel of padding goes right or below, as in the MGCA release.
    """
    new_height, new_width = _fitted(pixels.shape[0], pixels.shape[1], side)
    image = _scale(pixels, new_height, new_width, interpolation)
    top, left = (side - new_height) // 2, (side - new_width) // 2
    return _framed(image, top, side - new_height - top, left, side - new_width - left)


def centre_crop(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(H, W) -> (side, side) around the centre, zero-padded where the image is smaller."""
    height, width = pixels.shape[:2]
    if height < side or width < side:
        top, left = max(0, side - height) // 2, max(0, side - width) // 2
        bottom, right = max(0, side - height) - top, max(0, side - width) - left
        pixels = _framed(pixels, top, bottom, left, right)
        height, width = pixels.shape[:2]
    top, left = round((height - side) / 2), round((width - side) / 2)
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


def framed_shape(height: int, width: int, preprocess: Preprocess) -> tuple[int, int]:
    """The height and width of what is scaled of an image of that size, already `cut`: of its canvas, or its own.

    An image with a side above `LONGEST`, and above the canvas's least, is longer than its canvas: it is scaled to it first, as
    ``pad`` would.
    """
    if preprocess.mode != "canvas":
        return height, width
    side = max(preprocess.least or preprocess.resize, min(max(height, width), LONGEST))
    return side, side


def scaled_shape(height: int, width: int, preprocess: Preprocess) -> tuple[int, int]:
    """The height and width that an image of that size, already `cut`, is scaled to, before padding and the crop.

    For ``canvas``, which is padded before, those of the scaled canvas.
    """
    side = preprocess.resize
    if preprocess.mode == "pad":
        return _fitted(height, width, side)
    if preprocess.mode in {"squash", "canvas"}:
        return side, side
    shorter = min(height, width)
    return int(side * height / shorter), int(side * width / shorter)


def cut(pixels: NDArray[np.uint8], preprocess: Preprocess) -> NDArray[np.uint8]:
    """A view of what the crop can show. For ``shorter``, the middle of a strip.

    It would grow to billions of pixels, of which the crop keeps few.
    """
    if preprocess.mode != "shorter":
        return pixels
    height, width = pixels.shape[:2]
    longest = min(height, width) * (preprocess.crop // preprocess.resize + 2)
    top, left = max(0, height - longest) // 2, max(0, width - longest) // 2
    return pixels[top : height - top, left : width - left]


def _to_size(pixels: NDArray[np.uint8], preprocess: Preprocess) -> NDArray[np.uint8]:
    if preprocess.mode == "pad":
        return padded(pixels, preprocess.resize, preprocess.interpolation)
    height, width = pixels.shape[:2]
    if preprocess.mode == "canvas":
        side, _ = framed_shape(height, width, preprocess)
        if max(height, width) > side:
            pixels = _scale(pixels, *_fitted(height, width, side), preprocess.interpolation)
        pixels = _centred(pixels, side)
    return _scale(pixels, *scaled_shape(height, width, preprocess), preprocess.interpolation)


def _fitted(height: int, width: int, side: int) -> tuple[int, int]:
    longer = max(height, width)
    return max(1, int(height * side / longer)), max(1, int(width * side / longer))


def _centred(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Zero-padded to a square; the odd pixel of padding goes right or below (our choice)."""
    top, left = (side - pixels.shape[0]) // 2, (side - pixels.shape[1]) // 2
    return _framed(pixels, top, side - pixels.shape[0] - top, left, side - pixels.shape[1] - left)


def _framed(pixels: NDArray[np.uint8], top: int, bottom: int, left: int, right: int) -> NDArray[np.uint8]:
    return np.pad(pixels, ((top, bottom), (left, right), *(((0, 0),) * (pixels.ndim - 2))))


def _scale(pixels: NDArray[np.uint8], height: int, width: int, interpolation: str) -> NDArray[np.uint8]:
    if pixels.shape[:2] == (height, width):
        return pixels
    if interpolation == "area":
        scaled: NDArray[np.uint8] = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        return scaled
    # Width first: Pillow 13 begins with the cheaper pass, and its rounding in between then moves a fifth of the pixels by
    # one from what every earlier version, and so every released encoder, was given.
    wide = Image.fromarray(pixels).resize((width, pixels.shape[0]), _PILLOW[interpolation])
    return np.array(wide.resize((width, height), _PILLOW[interpolation]))
