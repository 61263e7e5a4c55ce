"""Which rows of a part take part: those with a mask annotation, and for training a balanced choice of them."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc

from medbench.errors import MissingDataError
from medbench.manifest import Manifest
from medbench.specs import Part


def annotated(manifest: Manifest, part: Part) -> Manifest:
    """The rows that carry a mask, empty ones included. Raises `MissingDataError` where there are none."""
    keep = np.flatnonzero(pc.is_valid(manifest.table.column("mask_size")).to_numpy())
    if not len(keep):
        raise MissingDataError(
            f"{manifest.dataset} has no mask annotation on the {len(manifest)} samples of the {part} part",
            fix="see 'medbench data status' for what was read",
        )
    return manifest if len(keep) == len(manifest) else manifest.take(keep.tolist())


def positives(manifest: Manifest) -> list[bool]:
    """Per row, whether its mask has foreground, read off the run lengths."""
    from pycocotools import mask as coco

    sizes = manifest.table.column("mask_size").to_pylist()
    counts = manifest.table.column("mask_counts").to_pylist()
    return [int(coco.area({"size": size, "counts": count})) > 0 for size, count in zip(sizes, counts, strict=True)]


def balanced(manifest: Manifest, seed: int) -> Manifest:
    """All rows with foreground and as many without, drawn once by ``seed``, in their order (the MGCA release, SIIM).

    The published code balances before it draws a fraction; here the fraction is drawn first, so that subsets stay nested.
    All rows are kept where none has foreground.
    """
    foreground = np.asarray(positives(manifest), bool)
    negatives = np.flatnonzero(~foreground)
    wanted = int(foreground.sum())
    if wanted == 0 or len(negatives) <= wanted:
        return manifest
    drawn = np.random.default_rng(seed).choice(negatives, wanted, replace=False)
    return manifest.take(sorted([*np.flatnonzero(foreground).tolist(), *drawn.tolist()]))
