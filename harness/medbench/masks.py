"""Binary masks as COCO run-length counts, through pycocotools."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from medbench.samples import Box, Mask

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def encode_mask(pixels: NDArray[np.generic]) -> Mask:
    """(H, W) array, true where foreground -> `Mask`."""
    import numpy as np
    from pycocotools import mask as coco

    rle = coco.encode(np.asfortranarray(pixels.astype(np.uint8)))
    return Mask(int(rle["size"][0]), int(rle["size"][1]), rle["counts"])


def decode_mask(mask: Mask) -> NDArray[np.uint8]:
    """`Mask` -> (H, W) uint8 of 0 and 1."""
    from pycocotools import mask as coco

    pixels: NDArray[np.uint8] = coco.decode({"size": [mask.height, mask.width], "counts": mask.counts})
    return pixels


def box_mask(boxes: Iterable[Box], height: int, width: int) -> Mask:
    """The union of filled boxes; edges are truncated to whole pixels, as ``array[int(y):int(y + h), ...] = 1`` does."""
    import numpy as np

    pixels = np.zeros((height, width), np.uint8, order="F")
    for box in boxes:
        rows = slice(max(0, int(box.y)), max(0, int(box.y + box.height)))
        columns = slice(max(0, int(box.x)), max(0, int(box.x + box.width)))
        pixels[rows, columns] = 1
    return encode_mask(pixels)


def empty_mask(height: int, width: int) -> Mask:
    """A mask without foreground."""
    import numpy as np

    return encode_mask(np.zeros((height, width), np.uint8))
