"""Decoding a dataset's files, each once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medbench.checkpoints import sha256_of
from medbench.fitting import fit_region
from medbench.images import ImageError, read_colour, read_grey
from medbench.manifest import ImageFacts
from medbench.pixels.reducing import reduced
from medbench.pixels.sources import Stamp, stamp_of
from medbench.samples import Problem, Region, Sample

Pixels = NDArray[np.uint8]
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file below the root, and what of it is a picture: the whole (None), regions as the reader gave them, or both."""

    path: str
    regions: tuple[Region | None, ...]

    def fitted(self, height: int, width: int) -> list[Region | None]:
        """Its pictures' regions inside an image of that size, each once; those outside of it are left out."""
        found: dict[Region | None, None] = {}
        for region in self.regions:
            inside = None if region is None else fit_region(region, height, width)
            if region is None or inside is not None:
                found[inside] = None
        return list(found)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A file's facts, its stamp before and after it was read, and its pictures as they are to be kept, where they are."""

    facts: ImageFacts
    stamp: Stamp
    pictures: tuple[tuple[Region | None, Pixels], ...] = ()


def wanted_of(samples: Sequence[Sample]) -> list[Wanted]:
    """Every file of the samples, in order of first appearance."""
    found: dict[str, dict[Region | None, None]] = {}
    for sample in samples:
        if sample.image:
            found.setdefault(sample.image, {})[sample.region] = None
        for name in (sample.previous, *sample.others):
            if name:
                found.setdefault(name, {})[None] = None
    return [Wanted(path, tuple(regions)) for path, regions in found.items()]


def decode(root: Path, file: Wanted, *, side: int, colour: bool, keep: bool) -> Decoded | Problem:
    """A file's facts, and, to ``keep`` them, its pictures at shorter side ``side``; or why it cannot be used.

    Facts are of the grey pixels, also of an image in colour, which is then decoded twice.
    """
    before = _stamp(root, file.path)
    for _ in range(_TRIES):
        if isinstance(before, Problem):
            return before
        found = _decoded(root / file.path, before, file, side=side, colour=colour, keep=keep)
        after = _stamp(root, file.path)
        if after == before:
            return found
        before = after  # it was written to meanwhile: pixels, hash and stamp need not be of one file
    return Problem("unreadable-image", Path(file.path).name, "the file changes while it is read")


def _decoded(path: Path, stamp: Stamp, file: Wanted, *, side: int, colour: bool, keep: bool) -> Decoded | Problem:
    try:
        grey = read_grey(path)
    except ImageError as error:
        return Problem("unreadable-image", path.name, error.message)
    facts = _facts(path, grey)
    if not keep:
        return Decoded(facts, stamp)
    try:
        whole = read_colour(path) if colour else grey
    except ImageError:  # whoever reads the picture is told
        return Decoded(facts, stamp)
    regions = file.fitted(facts.height, facts.width)
    return Decoded(facts, stamp, tuple((region, reduced(_cut(whole, region), side)) for region in regions))


def _stamp(root: Path, image: str) -> Stamp | Problem:
    if Path(image).is_absolute() or ".." in Path(image).parts:
        return Problem("path-escape", image, "the image lies outside of the dataset's folder")
    path = root / image
    try:
        return stamp_of(path) if path.is_file() else Problem("missing-image", path.name, "the file does not exist")
    except OSError as error:  # a name too long for any file
        return Problem("missing-image", f"{image[:80]}...", error.strerror or type(error).__name__)


def _facts(path: Path, pixels: Pixels) -> ImageFacts:
    height, width = pixels.shape
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return ImageFacts(
        height,
        width,
        sha256_of(path),
        pixels=digest.hexdigest(),
        low=int(pixels.min()),
        high=int(pixels.max()),
        mean=float(pixels.mean()),
    )


def _cut(pixels: Pixels, region: Region | None) -> Pixels:
    if region is None:
        return pixels
    return pixels[region.y : region.y + region.height, region.x : region.x + region.width]
