"""Sizes of raster images from their headers, and mask images."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from medbench.images import ImageError, read_grey
from medbench.masks import encode_mask

if TYPE_CHECKING:
    from pathlib import Path

    from medbench.samples import Mask


class Size(NamedTuple):
    """An image's size in pixels."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"


def read_size(path: Path) -> Size | None:
    """The size of a PNG or JPEG from its header; None where there is no readable one.

    None is no verdict: the preparation of the data decodes every image and names those it cannot read.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            return Size(image.height, image.width)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def read_mask(path: Path) -> Mask | ImageError:
    """A mask image, foreground where brighter than half, or why it cannot be read."""
    try:
        return encode_mask(read_grey(path) > 127)
    except ImageError as error:
        return error
