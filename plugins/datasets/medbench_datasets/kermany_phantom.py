"""A generated stand-in for the paediatric pneumonia set: clear lungs, one opacity (bacterial), or haze in both (viral)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from medbench_datasets import drawing, kermany

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.samples import PhantomSize

_PLACES = ("test/NORMAL", "test/PNEUMONIA", "train/NORMAL", "train/PNEUMONIA")
_CYCLE = (*_PLACES, "train/PNEUMONIA", "train/NORMAL", "train/PNEUMONIA")
_SECOND_IMAGE_SHARE = 0.3


class Case(NamedTuple):
    """One image of the phantom as (side, side) uint8, its official place, and its patient's number within the part."""

    place: str
    name: str
    patient: int
    cause: str
    pixels: NDArray[np.uint8]


def draw_cases(size: PhantomSize) -> Iterator[Case]:
    """``size.images`` images of somewhat fewer children, cause and place in turn; same size, same cases."""
    rng = np.random.default_rng(size.seed)
    child, place, cause, repeats = 0, "", "", 0
    for index in range(size.images):
        if index > len(_CYCLE) and repeats == 0 and rng.random() < _SECOND_IMAGE_SHARE:
            repeats = 1
        else:
            place, child, repeats = _CYCLE[child % len(_CYCLE)], child + 1, 0
            cause = "normal" if place.endswith("NORMAL") else str(rng.choice(["bacteria", "virus"]))
        thorax = drawing.draw_thorax(size.side, rng)
        ill = {"normal": (), "bacteria": (thorax.right_lung,), "virus": (thorax.right_lung, thorax.left_lung)}
        for lung in ill[cause]:
            thorax, _ = drawing.add_opacity(thorax, lung, rng)
        name = f"IM-{child:04d}-{repeats + 1:04d}" if cause == "normal" else f"person{child}_{cause}_{index}"
        yield Case(place, f"{name}.jpeg", child, cause, drawing.finish(thorax, rng))


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write the JPEG images into the official folders, under ``chest_xray``; same size, same bytes."""
    base = root / kermany.NESTED
    for place in _PLACES:
        (base / place).mkdir(parents=True, exist_ok=True)
    for case in draw_cases(size):
        Image.fromarray(case.pixels).save(base / case.place / case.name, quality=95)
