"""Pictures, masks and heat maps made small enough for a page, as data URIs.

Colours can be told apart by colour-blind readers (Okabe and Ito's set), and seen on dark pictures: truth is sky blue, an answer
orange, a heat map vermilion.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medbench.masks import decode_mask
from medbench.samples import Mask

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

LONG_SIDE = 384
"""Pixels of the longer side of an embedded picture, at most."""

Colour = tuple[int, int, int]
TRUTH: Colour = (86, 180, 233)
ANSWER: Colour = (230, 159, 0)
HEAT: Colour = (213, 94, 0)
_QUALITY = 80
_FILL = 120
"""Alpha of the inside of a mask, before a reader fades it: two colours that lie on each other must not become a third."""
_LEVELS = 64
_STRONGEST = 230
_POWER = 0.7


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture as a data URI, '' where only its proportions are known."""

    uri: str
    width: int
    height: int


def thumbnail(pixels: NDArray[np.uint8]) -> Thumbnail:
    """(H, W) grey or (H, W, 3) RGB pixels as JPEG of at most `LONG_SIDE` pixels."""
    from PIL import Image

    width, height = fit(pixels.shape[1], pixels.shape[0])
    small = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)
    return Thumbnail(_uri(small, "jpeg", quality=_QUALITY, optimize=True), width, height)


def fit(width: int, height: int) -> tuple[int, int]:
    """The width and height of a picture of these proportions whose longer side is at most `LONG_SIDE`."""
    scale = min(1.0, LONG_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


@dataclass(frozen=True, slots=True)
class MaskPictures:
    """A mask as two data URIs of one colour: its ``fill``, light, and its opaque ``edge``; '' where it has no foreground."""

    fill: str = ""
    edge: str = ""


def mask_pictures(mask: Mask, width: int, height: int, colour: Colour) -> MaskPictures:
    """The mask at that size as PNGs: two of them, so that a reader can fade the fill and keep the edge.

    A pixel is foreground where at least half of it is, or, where nothing would be left, where any of it is.
    """
    import numpy as np
    from PIL import Image
    from scipy import ndimage

    whole = decode_mask(mask)
    if not whole.any():
        return MaskPictures()
    cover = np.asarray(Image.fromarray(whole * np.uint8(255)).resize((width, height), Image.Resampling.BOX))
    inside = cover >= 128
    if not inside.any():
        inside = cover > 0
    thickness = 2 if max(width, height) > LONG_SIDE // 2 else 1  # a large picture is shown smaller than it is
    edge = inside & ~ndimage.binary_erosion(inside, iterations=thickness)
    fill, line = (
        _palette_uri(one.astype(np.uint8), colour, bytes([0, alpha])) for one, alpha in ((inside, _FILL), (edge, 255))
    )
    return MaskPictures(fill, line)


def heat_overlay(heat: NDArray[np.float32], width: int, height: int) -> str:
    """(h, w) relevance at that size as PNG: the more relevant, the less translucent; '' where nothing is."""
    import numpy as np
    from PIL import Image

    finite = np.nan_to_num(np.asarray(heat, np.float32), nan=0.0, posinf=0.0, neginf=0.0).clip(0)
    top = float(finite.max(initial=0.0))
    if finite.ndim != 2 or top <= 0:
        return ""
    large = Image.fromarray(finite / top).resize((width, height), Image.Resampling.BILINEAR)
    levels = np.rint(np.asarray(large).clip(0, 1) ** _POWER * (_LEVELS - 1)).astype(np.uint8)
    return _palette_uri(levels, HEAT, bytes(round(_STRONGEST * one / (_LEVELS - 1)) for one in range(_LEVELS)))


def _palette_uri(levels: NDArray[np.uint8], colour: Colour, alphas: bytes) -> str:
    """Each level as ``colour`` with its alpha."""
    from PIL import Image

    picture = Image.fromarray(levels).convert("P")
    picture.putdata(levels.ravel().tolist())
    picture.putpalette(bytes(colour) * len(alphas))
    return _uri(picture, "png", transparency=alphas, optimize=True)


def _uri(picture: Image.Image, kind: str, **options: object) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
