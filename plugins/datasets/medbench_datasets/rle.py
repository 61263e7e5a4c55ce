"""The relative run-length code of the SIIM-ACR challenge.

A text of ``start length start length ...``: each start counts from the end of the run before it, pixels run down the
columns. That is COCO's uncompressed code with the trailing background left out, so no pixel needs to be drawn to read it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from medbench.samples import Mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

_COUNT = re.compile(r"[0-9]{1,9}\Z")


class RleError(ValueError):
    """A run-length text that is malformed."""


class RleOverrunError(RleError):
    """A run-length text whose runs leave the image."""


def decode_rle(text: str, *, height: int, width: int) -> Mask:
    """Relative run-length text -> `Mask`. Raises `RleError`, or `RleOverrunError` where a run leaves the image."""
    counts = _canonical(_numbers(text))
    used = sum(counts)
    if used > height * width:
        raise RleOverrunError(f"runs end at pixel {used} of {height * width} ({width} x {height})")
    return _mask([*counts, height * width - used] if used < height * width else counts, height, width)


def blank_mask(height: int, width: int) -> Mask:
    """A mask without foreground, made without drawing a pixel."""
    return _mask([height * width], height, width)


def unite(masks: Sequence[Mask]) -> Mask:
    """The union of one or more masks of one size."""
    from pycocotools import mask as coco

    first = masks[0]
    code = coco.merge([{"size": [mask.height, mask.width], "counts": mask.counts} for mask in masks])
    return Mask(first.height, first.width, cast("bytes", code["counts"]))


def encode_rle(pixels: NDArray[np.bool_]) -> str:
    """(H, W) mask -> relative run-length text; '' where it is empty."""
    import numpy as np

    padded = np.concatenate([[0], pixels.ravel(order="F").astype(np.int8), [0]])
    edges = np.flatnonzero(np.diff(padded))
    return " ".join(str(gap) for gap in np.diff(edges, prepend=0))


def _mask(counts: Sequence[int], height: int, width: int) -> Mask:
    from pycocotools import mask as coco

    code = coco.frPyObjects({"size": [height, width], "counts": list(counts)}, height, width)
    return Mask(height, width, code["counts"])


def _numbers(text: str) -> list[int]:
    words = text.split()
    if not words:
        raise RleError("it is empty")
    if len(words) % 2:
        raise RleError(f"it has an odd number of values, {len(words)}")
    bad = next((word for word in words if not _COUNT.match(word)), None)
    if bad is not None:
        raise RleError(f"{bad[:20]!r} is not a count")
    return [int(word) for word in words]


def _canonical(numbers: Sequence[int]) -> list[int]:
    """Background and foreground counts in turn, with empty runs merged away, so that one mask has one code."""
    counts: list[int] = []
    gap = 0
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        gap += start
        if length == 0:
            continue
        if gap == 0 and counts:
            counts[-1] += length
        else:
            counts += [gap, length]
        gap = 0
    return counts
