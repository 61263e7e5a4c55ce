"""How each pixel of a resized and cropped picture is made of the picture's own: the weights of Pillow and of OpenCV.

Nothing is resized here: `medbench.device_resize` applies the weights to stacks of pictures, `medbench.preprocessing` calls
the two libraries. Weights depend on the sizes alone, so that they are made once for all pictures of a size.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from medbench.preprocessing import framed_shape, scaled_shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from medbench.capabilities import Preprocess

BITS = 22
"""Binary places of Pillow's fixed-point weights."""

Kind = Literal["fixed", "area", "sums", "quarters"]
"""``fixed`` is Pillow's arithmetic; OpenCV's areas are sums of weighted pixels, or of whole ones where the ratios are whole.

``quarters`` is two by two pixels, which OpenCV rounds up at the half; other sums it rounds to even.
"""


class Taps(NamedTuple):
    """For each of n output pixels along one axis, T input pixels and their weights, both (n, T); padding weighs nothing."""

    places: NDArray[np.int32]
    weights: NDArray[np.int32] | NDArray[np.float32]


class Plan(NamedTuple):
    """What makes the crop of pictures of one size: along the columns first, then along the rows.

    ``factor`` is what whole sums are multiplied by.
    """

    kind: Kind
    columns: Taps
    rows: Taps
    factor: float


class _Axis(NamedTuple):
    """``inside`` pixels are scaled to ``outside``; ``kept`` of them are wanted from ``first`` on, black beyond the picture.

    Of those inside, a picture's own are ``length`` from ``start`` on, the rest a black canvas.
    """

    inside: int
    outside: int
    first: int
    kept: int
    start: int
    length: int


@lru_cache(maxsize=512)
def plan_of(height: int, width: int, preprocess: Preprocess) -> Plan | None:
    """How pictures of that size are resized and cropped, equalising left aside; None where weights cannot say it.

    That is enlarging by area, for which OpenCV has another rule, and an image that is scaled twice, being longer than its
    canvas. `preprocessing.cut` comes first.
    """
    new_height, new_width = scaled_shape(height, width, preprocess)
    full_height, full_width = framed_shape(height, width, preprocess)
    if max(height, width) > max(full_height, full_width):
        return None
    rows = _axis(height, full_height, new_height, preprocess)
    columns = _axis(width, full_width, new_width, preprocess)
    if preprocess.interpolation != "area":
        reach, curve = _CURVES[preprocess.interpolation]
        return Plan("fixed", _fixed(columns, reach, curve), _fixed(rows, reach, curve), 1.0)
    if full_height < new_height or full_width < new_width:
        return None
    whole = _whole_ratio(columns), _whole_ratio(rows)
    if None in whole:
        return Plan("area", _areas(columns), _areas(rows), 1.0)
    across, down = (int(one or 1) for one in whole)
    kind: Kind = "quarters" if (across, down) == (2, 2) else "sums"
    return Plan(kind, _sums(columns, across), _sums(rows, down), float(np.float32(1) / np.float32(across * down)))


def _axis(own: int, inside: int, outside: int, preprocess: Preprocess) -> _Axis:
    length, before = outside, 0
    if preprocess.mode == "pad":
        length, before = preprocess.resize, (preprocess.resize - outside) // 2
    crop = preprocess.crop
    start = round((length - crop) / 2) if length >= crop else -((crop - length) // 2)
    return _Axis(inside, outside, start - before, crop, (inside - own) // 2, own)


def _fixed(axis: _Axis, reach: int, curve: Callable[[NDArray[Any]], NDArray[Any]]) -> Taps:
    """Pillow's: a curve as wide as the ratio, cut at the border, normalised in double precision, rounded to `BITS` places."""
    ratio = axis.inside / axis.outside
    wide = max(ratio, 1.0)
    support = reach * wide
    centre = (np.arange(axis.outside) + 0.5) * ratio
    low = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    high = np.minimum((centre + support + 0.5).astype(np.int64), axis.inside)
    index = low[:, None] + np.arange(int((high - low).max()))
    inside = index < high[:, None]
    weight = np.where(inside, curve((index - centre[:, None] + 0.5) * (1.0 / wide)), 0.0)
    total = np.cumsum(weight, axis=1)[:, -1:]
    weight = np.divide(weight, total, out=weight, where=total != 0) * (1 << BITS)
    rounded = np.trunc(weight + np.where(weight < 0, -0.5, 0.5)).astype(np.int32)
    return _kept(axis, np.where(inside, index, 0), rounded)


def _areas(axis: _Axis) -> Taps:
    """OpenCV's INTER_AREA: each output pixel covers so many whole pixels and a share of one on either side."""
    ratio = _ratio(axis)
    start = np.arange(axis.outside) * ratio
    end = start + ratio
    cell = np.minimum(ratio, axis.inside - start)
    last = np.minimum(np.floor(end).astype(np.int64), axis.inside - 1)
    first = np.minimum(np.ceil(start).astype(np.int64), last)
    before, after = first - start, end - last
    index = first[:, None] - 1 + np.arange(int((last - first).max()) + 2)
    weight = np.where((index >= first[:, None]) & (index < last[:, None]), 1.0 / cell[:, None], 0.0)
    shown = np.minimum(np.minimum(after, 1.0), cell) / cell
    weight = np.where((index == last[:, None]) & (after > _LEAST)[:, None], shown[:, None], weight)
    weight[:, 0] = np.where(before > _LEAST, before / cell, 0.0)
    return _kept(axis, np.clip(index, 0, axis.inside - 1), weight.astype(np.float32))


def _sums(axis: _Axis, ratio: int) -> Taps:
    index = np.arange(axis.outside)[:, None] * ratio + np.arange(ratio)
    return _kept(axis, index, np.ones(index.shape, np.float32))


def _whole_ratio(axis: _Axis) -> int | None:
    ratio = _ratio(axis)
    return round(ratio) if abs(ratio - round(ratio)) < np.finfo(float).eps else None


def _ratio(axis: _Axis) -> float:
    return 1.0 / (axis.outside / axis.inside)  # as OpenCV does: not always inside / outside to the last bit


def _kept(axis: _Axis, index: NDArray[np.int64], weight: NDArray[Any]) -> Taps:
    """The taps of the crop, in which what lies outside the picture is black."""
    place = np.arange(axis.first, axis.first + axis.kept)
    there = (place >= 0) & (place < axis.outside)
    place = np.clip(place, 0, axis.outside - 1)
    index = index[place] - axis.start
    own = there[:, None] & (index >= 0) & (index < axis.length)
    index = np.clip(index, 0, axis.length - 1)
    return Taps(index.astype(np.int32), np.where(own, weight[place], 0).astype(weight.dtype))


def _bilinear(x: NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any] = np.maximum(1.0 - np.abs(x), 0.0)
    return found


def _bicubic(x: NDArray[Any]) -> NDArray[Any]:
    a, x = -0.5, np.abs(x)
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * a
    found: NDArray[Any] = np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))
    return found


_CURVES: dict[str, tuple[int, Callable[[NDArray[Any]], NDArray[Any]]]] = {
    "bilinear": (1, _bilinear),
    "bicubic": (2, _bicubic),
}
_LEAST = 1e-3
"""A share of a pixel that OpenCV leaves out."""
