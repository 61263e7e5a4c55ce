"""A generated stand-in for Object-CXR in the official raw form: bright, sharp-edged objects over a chest."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from medbench_datasets import drawing, object_cxr
from medbench_datasets.object_cxr_shapes import ELLIPSE, POLYGON, RECTANGLE, Shape, cover

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.samples import PhantomSize

_POSITIVE_SHARE, _MOST_OBJECTS, _DEV_EVERY = 0.5, 3, 5
_CORNERS = 6


class Case(NamedTuple):
    """One image of the phantom as (side, side) uint8, the objects drawn on it, and whether it is of the dev part."""

    name: str
    dev: bool
    pixels: NDArray[np.uint8]
    shapes: tuple[Shape, ...]


def draw_cases(size: PhantomSize) -> Iterator[Case]:
    """``size.images`` images, about half of them with one to three objects, every fifth in dev; same size, same cases."""
    rng = np.random.default_rng(size.seed)
    for index in range(size.images):
        thorax = drawing.draw_thorax(size.side, rng)
        count = int(rng.integers(1, _MOST_OBJECTS + 1)) if rng.random() < _POSITIVE_SHARE else 0
        shapes = tuple(_draw_shape(size.side, rng) for _ in range(count))
        opaque = cover(shapes, size.side, size.side).astype(bool)
        thorax = replace(thorax, pixels=np.where(opaque, np.float32(1), thorax.pixels * np.float32(0.85)))
        dev = index % _DEV_EVERY == _DEV_EVERY - 1
        yield Case(f"{index + 1:05d}.jpg", dev, drawing.finish(thorax, rng), shapes)


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write both lists and the images, as JPEG, under ``root``; same size, same bytes."""
    rows: dict[bool, list[list[str]]] = {False: [], True: []}
    for folder in (object_cxr.TRAIN_IMAGES, object_cxr.DEV_IMAGES):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for case in draw_cases(size):
        folder = object_cxr.DEV_IMAGES if case.dev else object_cxr.TRAIN_IMAGES
        Image.fromarray(case.pixels).save(root / folder / case.name, quality=95)
        rows[case.dev].append([case.name, ";".join(_text(shape) for shape in case.shapes)])
    for file, dev in ((object_cxr.TRAIN_FILE, False), (object_cxr.DEV_FILE, True)):
        with (root / file).open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([object_cxr.COLUMNS, *rows[dev]])


def _text(shape: Shape) -> str:
    return " ".join([shape.kind, *(f"{value:.0f}" for point in shape.points for value in point)])


def _draw_shape(side: int, rng: np.random.Generator) -> Shape:
    """An object wholly inside of the image, in whole pixels, 0.08 to 0.2 of the side across."""
    kind = str(rng.choice([RECTANGLE, ELLIPSE, POLYGON]))
    half = rng.uniform(0.04, 0.1, 2) * side
    centre = rng.uniform(0.2, 0.8, 2) * side
    if kind != POLYGON:
        corners = np.rint([centre - half, centre + half])
        return Shape(kind, tuple((float(x), float(y)) for x, y in corners))
    angles = np.sort(rng.uniform(0, 2 * np.pi, _CORNERS - 2))
    angles = np.append(angles, [angles[0] + np.pi * 2 / 3, angles[0] + np.pi * 4 / 3])  # never all on one side
    angles = np.sort(angles % (2 * np.pi))
    points = np.rint(centre + half * np.stack([np.cos(angles), np.sin(angles)], axis=1))
    return Shape(kind, tuple((float(x), float(y)) for x, y in points))
