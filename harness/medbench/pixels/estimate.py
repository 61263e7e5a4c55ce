"""How much room the pixels of a dataset would take, from the headers of a few hundred files, and whether to give it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medbench.pixels.decoding import Wanted
from medbench.pixels.places import in_words
from medbench.pixels.reducing import reduced_size
from medbench.pixels.threads import in_threads

SAMPLED = 300
SHARE = 0.8
"""Of the free room: beyond it pixels are kept only where the user says so."""
_OTHER_SIDE = 1024


@dataclass(frozen=True, slots=True)
class Estimate:
    """``sizes`` are (height, width) of the sampled pictures, which stand for all ``pictures`` of ``files``."""

    pictures: int
    sizes: tuple[tuple[int, int], ...]
    colour: bool

    def bytes_at(self, side: int) -> int:
        """The room that every picture takes at a shorter side of ``side``; 0: at its full size."""
        if not self.sizes:
            return 0
        sampled = sum(height * width for height, width in (reduced_size(*size, side) for size in self.sizes))
        return round(sampled * (3 if self.colour else 1) / len(self.sizes) * self.pictures)


def estimate(root: Path, files: Sequence[Wanted], *, colour: bool) -> Estimate:
    """Look at the headers of up to `SAMPLED` files, drawn by chance, the same each time; none that cannot be read counts."""
    drawn = random.Random(0).sample(files, min(SAMPLED, len(files)))
    looked = in_threads(lambda file: (file, header_size(root / file.path)), drawn)
    sizes = [
        (height, width) if region is None else (region.height, region.width)
        for file, size in looked
        if size is not None
        for height, width in [size]
        for region in file.fitted(height, width)
    ]
    return Estimate(sum(len(file.regions) for file in files), tuple(sizes), colour)


def header_size(path: Path) -> tuple[int, int] | None:
    """Height and width of an image, its pixels not decoded; None where its header cannot be read."""
    try:
        if path.suffix.lower() in {".dcm", ".dicom"}:
            import pydicom

            data = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Rows", "Columns"])
            return int(data.Rows), int(data.Columns)
        from PIL import Image

        with Image.open(path) as image:
            return image.height, image.width
    except Exception:  # as many kinds as there are bad headers; the pass over all files says what is wrong
        return None


def free_room(folder: Path) -> int:
    """Bytes that are free where ``folder`` is or will be."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def at_side(side: int) -> str:
    """``at their full size``, or ``at side 1024``."""
    return f"at side {side}" if side else "at their full size"


def say_estimate(dataset: str, found: Estimate, side: int, free: int) -> str:
    """``rsna: 30,227 images, about 28.4 GiB of pixels at their full size; 312.0 GiB free``."""
    size = in_words(found.bytes_at(side))
    return f"{dataset}: {found.pictures:,} images, about {size} of pixels {at_side(side)}; {in_words(free)} free"


def say_declined(dataset: str, found: Estimate, side: int) -> str:
    """That they are not kept, and what mends it."""
    other = _OTHER_SIDE if not side or side > _OTHER_SIDE else side // 2
    smaller = found.bytes_at(other)
    ways = [f"--side {other} would take about {in_words(smaller)}"] if smaller < 0.9 * found.bytes_at(side) else []
    return (
        f"{dataset}: pixels are not kept, they would take over {SHARE:.0%} of the free room; images are decoded whenever"
        f" they are read - {', '.join([*ways, '--keep-pixels always keeps them all the same'])}"
    )
