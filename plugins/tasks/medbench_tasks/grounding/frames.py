"""One frame for truth and answer: the whole original image, squashed to a square, whatever a method crops or pads.

So the truth is the same for every method, and one that cuts the borders off is not excused from what lies there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medbench.masks import decode_mask
from medbench.pixels.reducing import reduced_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from medbench.capabilities import Preprocess
    from medbench.samples import Box, Mask


def boxes_in_frame(boxes: Iterable[Box], height: int, width: int, side: int) -> NDArray[np.bool_]:
    """(side, side) union of boxes, drawn at ``height`` x ``width`` and resized by taking the nearest pixel.

    Corners and sizes are cut to whole pixels each, as in MeDSLIP's release.
    """
    rows, columns = nearest(height, side), nearest(width, side)
    frame = np.zeros((side, side), np.bool_)
    for box in boxes:
        frame |= np.logical_and.outer(_within(rows, box.y, box.height), _within(columns, box.x, box.width))
    return frame


def mask_in_frame(mask: Mask, side: int) -> NDArray[np.bool_]:
    """(side, side) of a mask, by taking the nearest pixel."""
    pixels = decode_mask(mask)
    frame: NDArray[np.bool_] = pixels[np.ix_(nearest(mask.height, side), nearest(mask.width, side))] > 0
    return frame


def placed_size(height: int, width: int, preprocess: Preprocess, read_at: int) -> tuple[int, int]:
    """The height and width by which an image of ``height`` x ``width`` is placed that was read at the side ``read_at``.

    On a canvas they are those that were read (`medbench.manifest.Manifest.side`): a small image fills less of it. Elsewhere an
    image of any size fills the same part, and its own size places it best.
    """
    return reduced_size(height, width, read_at) if preprocess.mode == "canvas" else (height, width)


def map_in_frame(
    relevance: NDArray[np.floating], height: int, width: int, preprocess: Preprocess, side: int
) -> NDArray[np.float64]:
    """(h, w) relevance over what a method was given of an image of ``height`` x ``width`` -> (side, side), each cell repeated.

    Its size is that of `placed_size`. NaN where the method did not see the image.
    """
    rows, columns = cells_seen(height, width, preprocess, side, relevance.shape)
    frame = relevance.astype(np.float64)[np.ix_(rows, columns)]
    frame[rows < 0] = np.nan
    frame[:, columns < 0] = np.nan
    return frame


def cells_seen(
    height: int, width: int, preprocess: Preprocess, side: int, shape: tuple[int, ...]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For each row and each column of the frame, its row and column in a map of ``shape``; -1 where it was cropped away."""
    scaled = _scaled(height, width, preprocess)
    rows, columns = (
        _cells(length, cells, preprocess, side) for length, cells in zip(scaled, (shape[0], shape[1]), strict=True)
    )
    return rows, columns


def seen_part(height: int, width: int, preprocess: Preprocess) -> tuple[float, float, float, float]:
    """What a method was given of an image: left, top, right and bottom in shares of its width and height.

    Its size is that of `placed_size`. Below 0 and above 1 is padding.
    """
    (top, bottom), (left, right) = (_given(length, preprocess) for length in _scaled(height, width, preprocess))
    return left, top, right, bottom


def placed(relevance: NDArray[np.floating], seen: tuple[float, float, float, float], side: int) -> NDArray[np.floating]:
    """(h, w) relevance over the ``seen`` part of an image -> (side, side) over all of it, 0 where it was not seen."""
    left, top, right, bottom = seen
    frame = np.zeros((side, side), relevance.dtype)
    rows, columns = (
        np.floor(((np.arange(side) + 0.5) / side - first) / (last - first) * cells).astype(np.intp)
        for first, last, cells in ((top, bottom, relevance.shape[0]), (left, right, relevance.shape[1]))
    )
    inside = [(places >= 0) & (places < cells) for places, cells in zip((rows, columns), relevance.shape, strict=True)]
    frame[np.ix_(*inside)] = relevance[np.ix_(rows[inside[0]], columns[inside[1]])]
    return frame


def nearest(length: int, side: int) -> NDArray[np.intp]:
    """(side,) the pixel of ``length`` that each pixel of the frame is taken from."""
    return np.arange(side) * length // side


def _within(places: NDArray[np.intp], start: float, extent: float) -> NDArray[np.bool_]:
    first = int(start)
    inside: NDArray[np.bool_] = (places >= first) & (places < first + int(extent))
    return inside


def _scaled(height: int, width: int, preprocess: Preprocess) -> tuple[float, float]:
    """The size that the image has before it is padded and cropped; on a canvas its part of what that is scaled to."""
    if preprocess.mode == "squash":
        return preprocess.resize, preprocess.resize
    if preprocess.mode == "canvas":
        ratio = preprocess.resize / max(preprocess.least or preprocess.resize, height, width)
        return height * ratio, width * ratio
    reference = max(height, width) if preprocess.mode == "pad" else min(height, width)
    return max(1, height * preprocess.resize // reference), max(1, width * preprocess.resize // reference)


def _given(scaled: float, preprocess: Preprocess) -> tuple[float, float]:
    """First and last of what is left of a side of ``scaled`` pixels after padding and cropping, in shares of it."""
    canvas, padding = _padded(scaled, preprocess)
    first = (canvas - preprocess.crop) / 2 - padding
    return first / scaled, (first + preprocess.crop) / scaled


def _cells(scaled: float, cells: int, preprocess: Preprocess, side: int) -> NDArray[np.intp]:
    canvas, padding = _padded(scaled, preprocess)
    places = (np.arange(side) + 0.5) * scaled / side + padding - (canvas - preprocess.crop) / 2
    found = np.floor(places * cells / preprocess.crop).astype(np.intp)
    return np.where((found >= 0) & (found < cells), found, -1)


def _padded(scaled: float, preprocess: Preprocess) -> tuple[float, float]:
    """What a side of ``scaled`` pixels becomes before the crop, and how much of that is padding before it."""
    if preprocess.mode == "pad":
        return preprocess.resize, (preprocess.resize - scaled) // 2
    if preprocess.mode == "canvas":
        return preprocess.resize, (preprocess.resize - scaled) / 2
    return scaled, 0
