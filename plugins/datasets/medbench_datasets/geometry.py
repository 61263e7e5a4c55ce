"""Fitting annotated boxes to the image they lie on."""

from __future__ import annotations

import math
from typing import NamedTuple

from medbench.samples import Box, Problem


class FittedBox(NamedTuple):
    """A box that lies on its image, or None where nothing of it does, and what was wrong, if anything.

    The problem's kind is ``box-clipped`` or ``box-outside``.
    """

    box: Box | None
    problem: Problem | None


def fit_box(box: Box, *, height: int, width: int, where: str) -> FittedBox:
    """``box`` clipped to an image of ``height`` x ``width`` pixels.

    A box of non-positive or non-finite size, or wholly outside, is dropped. What was done is told as a problem at
    ``where``, the row or sample.
    """
    shown = f"box x={box.x:g} y={box.y:g} width={box.width:g} height={box.height:g}"
    if not all(math.isfinite(value) for value in box[1:]):
        return FittedBox(None, Problem("box-outside", where, f"{shown} is not finite; dropped"))
    if box.width <= 0 or box.height <= 0:
        return FittedBox(None, Problem("box-outside", where, f"{shown} has no area; dropped"))
    left, top = max(box.x, 0.0), max(box.y, 0.0)
    right, bottom = min(box.x + box.width, float(width)), min(box.y + box.height, float(height))
    if right <= left or bottom <= top:
        return FittedBox(
            None, Problem("box-outside", where, f"{shown} lies outside the {width} x {height} image; dropped")
        )
    if (left, top, right, bottom) == (box.x, box.y, box.x + box.width, box.y + box.height):
        return FittedBox(box, None)
    clipped = Box(box.label, left, top, right - left, bottom - top)
    return FittedBox(clipped, Problem("box-clipped", where, f"{shown} leaves the {width} x {height} image; clipped"))
