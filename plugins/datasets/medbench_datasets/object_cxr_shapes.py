"""Object-CXR's annotation text: rectangles, ellipses and polygons, what bounds them, and the pixels that they cover.

Objects are parted by ``;``. Each is ``type x y x y ...`` in pixels: type 0 a rectangle and 1 an ellipse by two opposite
corners, 2 a polygon by its vertices.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from medbench.samples import Box

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

RECTANGLE, ELLIPSE, POLYGON = "0", "1", "2"

_FEWEST_POINTS = {RECTANGLE: 2, ELLIPSE: 2, POLYGON: 3}
_BUFFER, _TOLERANCE = 100, 10
_FAR = 1 << 15
"""Outside of any image; points beyond it are moved there, since the rasteriser's memory grows with a polygon's outline."""


class ShapeError(ValueError):
    """An object whose text is malformed; the message says how."""


class Shape(NamedTuple):
    """One object: its type, and its points (x, y) in pixels of the image."""

    kind: str
    points: tuple[tuple[float, float], ...]


def parse(text: str) -> tuple[Shape, ...]:
    """The objects of one annotation cell, none for an empty one. Raises `ShapeError`."""
    return tuple(_shape(part) for part in text.split(";") if part.strip())


def tight_box(shape: Shape) -> Box:
    """The smallest box around the points, label 0: exact for all three types."""
    columns, rows = zip(*shape.points, strict=True)
    left, top = min(columns), min(rows)
    return Box(0, left, top, max(columns) - left, max(rows) - top)


def released_box(shape: Shape) -> Box:
    """The box of the MGCA release, label 0: looser than the tight one for polygons, the same for the other types.

    A polygon's box is centred on the pole of inaccessibility (tolerance 10) of its line widened by 100 pixels, and is
    symmetric: its half sides are the greatest distances from there to the bounds of the widened line. Needs shapely.
    """
    if shape.kind != POLYGON:
        return tight_box(shape)
    from shapely.geometry import LineString
    from shapely.ops import polylabel

    widened = LineString(shape.points).buffer(_BUFFER)
    pole = polylabel(widened, tolerance=_TOLERANCE)
    left, top, right, bottom = widened.bounds
    half_width, half_height = max(pole.x - left, right - pole.x), max(pole.y - top, bottom - pole.y)
    return Box(0, pole.x - half_width, pole.y - half_height, 2 * half_width, 2 * half_height)


def cover(shapes: Iterable[Shape], height: int, width: int) -> NDArray[np.uint8]:
    """(height, width) of 0 and 1: the union of the filled shapes; what lies outside of the image is cut off."""
    import numpy as np

    pixels = np.zeros((height, width), np.uint8)
    for shape in shapes:
        if shape.kind == POLYGON:
            _fill_polygon(pixels, shape)
        else:
            _fill_corners(pixels, shape)
    return pixels


def _shape(part: str) -> Shape:
    kind, *values = part.split()
    if kind not in _FEWEST_POINTS:
        raise ShapeError(f"{kind[:20]!r} is no type of object (0 rectangle, 1 ellipse, 2 polygon)")
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        raise ShapeError("a coordinate is not a number") from None
    if not all(math.isfinite(number) for number in numbers):
        raise ShapeError("a coordinate is not finite")
    if len(numbers) % 2 or len(numbers) < 2 * _FEWEST_POINTS[kind]:
        raise ShapeError(f"an object of type {kind} has {len(numbers)} coordinates")
    return Shape(kind, tuple(zip(numbers[::2], numbers[1::2], strict=True)))


def _fill_corners(pixels: NDArray[np.uint8], shape: Shape) -> None:
    """A rectangle, truncated to whole pixels as `medbench.masks.box_mask` does; of an ellipse the pixels centred in it."""
    import numpy as np

    _, x, y, width, height = tight_box(shape)
    top, left = max(0, int(y)), max(0, int(x))
    window = pixels[top : max(0, int(y + height)), left : max(0, int(x + width))]
    if shape.kind == RECTANGLE:
        window[:] = 1
    elif window.size:
        across = (np.arange(window.shape[1]) + left + 0.5 - (x + width / 2)) / (width / 2)
        down = (np.arange(window.shape[0]) + top + 0.5 - (y + height / 2)) / (height / 2)
        window[(across**2)[None] + (down**2)[:, None] <= 1] = 1


def _fill_polygon(pixels: NDArray[np.uint8], shape: Shape) -> None:
    """The pixels that COCO's rasteriser gives to a polygon."""
    import numpy as np
    from pycocotools import mask as coco

    points = np.clip(np.array(shape.points), -_FAR, _FAR)
    code = coco.frPyObjects([points.ravel().tolist()], *pixels.shape)
    pixels |= coco.decode(code)[:, :, 0]
