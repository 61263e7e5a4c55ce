"""Patients with findings for phantoms of chest X-ray collections: each finding has a place of its own, so it can be learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from medbench.samples import Box
from medbench_datasets import drawing, people

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from medbench.samples import PhantomSize

_COMMON_SHARE, _RARE_SHARE, _MOST_IMAGES, _SINGLE_EVERY = 0.3, 0.3, 3, 2


class Site(NamedTuple):
    """A part of a lung: from the apex (0) to the base (1), and from the midline (0) to the chest wall (1)."""

    right: bool
    top: float
    bottom: float
    inner: float = 0.0
    outer: float = 1.0


_RIGHT_UPPER, _RIGHT_MIDDLE, _RIGHT_LOWER = Site(True, 0, 0.35), Site(True, 0.35, 0.65), Site(True, 0.65, 1)
_LEFT_UPPER, _LEFT_MIDDLE, _LEFT_LOWER = Site(False, 0, 0.35), Site(False, 0.35, 0.65), Site(False, 0.65, 1)
_RIGHT_HEART, _LEFT_HEART = Site(True, 0.5, 1, 0, 0.3), Site(False, 0.5, 1, 0, 0.3)
_RIGHT_HILUM, _LEFT_HILUM = Site(True, 0, 0.5, 0, 0.3), Site(False, 0, 0.5, 0, 0.3)
_RIGHT_WALL, _LEFT_WALL = Site(True, 0.2, 0.8, 0.7, 1), Site(False, 0.2, 0.8, 0.7, 1)

AIR = "Pneumothorax"
SITES: Mapping[str, tuple[Site, ...]] = {
    "Atelectasis": (_RIGHT_LOWER,),
    "Cardiomegaly": (_RIGHT_HEART, _LEFT_HEART),
    "Consolidation": (_RIGHT_UPPER,),
    "Edema": (_LEFT_UPPER,),
    "Effusion": (_LEFT_LOWER,),
    "Emphysema": (_RIGHT_WALL, _LEFT_WALL),
    "Enlarged Cardiomediastinum": (_RIGHT_HILUM, _LEFT_HILUM),
    "Fibrosis": (_RIGHT_LOWER, _LEFT_LOWER),
    "Fracture": (_RIGHT_WALL,),
    "Hernia": (_LEFT_HEART,),
    "Infiltration": (_RIGHT_MIDDLE,),
    "Lung Lesion": (_LEFT_MIDDLE,),
    "Lung Opacity": (_RIGHT_MIDDLE,),
    "Mass": (_LEFT_MIDDLE,),
    "Nodule": (_RIGHT_HILUM,),
    "Pleural Effusion": (_LEFT_LOWER,),
    "Pleural Other": (_LEFT_WALL,),
    "Pleural_Thickening": (_LEFT_WALL,),
    "Pneumonia": (_RIGHT_MIDDLE, _LEFT_MIDDLE),
    "Support Devices": (_RIGHT_UPPER, _LEFT_UPPER),
}
"""Where a finding's opacities lie; `AIR` is drawn as air instead."""


class Visit(NamedTuple):
    """One image of a patient, (side, side) uint8, and the box around each finding drawn into it."""

    patient: int
    number: int
    person: people.Person
    view: str
    pixels: NDArray[np.uint8]
    boxes: Mapping[str, Box]


def draw_visits(
    size: PhantomSize, rng: np.random.Generator, *, common: Sequence[str], rare: Sequence[str]
) -> Iterator[Visit]:
    """``size.images`` images of patients with one to three each; a patient's images follow each other.

    Every second image shows exactly one of the ``common`` findings, in turn; the others each of them with 30 %, and besides
    with 30 % a single one of the ``rare``.
    """
    drawn, patient = 0, 0
    while drawn < size.images:
        person = people.invent(rng)
        for number in range(min(int(rng.integers(1, _MOST_IMAGES + 1)), size.images - drawn)):
            findings = [name for name in common if rng.random() < _COMMON_SHARE]
            findings += [str(rng.choice(rare))] if rng.random() < _RARE_SHARE else []
            if drawn % _SINGLE_EVERY == 0:
                findings = [common[drawn // _SINGLE_EVERY % len(common)]]
            thorax = drawing.draw_thorax(size.side, rng)
            boxes = {}
            for name in findings:
                thorax, boxes[name] = _add_finding(thorax, name, rng)
            yield Visit(patient, number, person, str(rng.choice(["PA", "AP"])), drawing.finish(thorax, rng), boxes)
            drawn += 1
        patient += 1


def _add_finding(thorax: drawing.Thorax, name: str, rng: np.random.Generator) -> tuple[drawing.Thorax, Box]:
    """The chest with the finding, and the box around all of it."""
    if name == AIR:
        lung = thorax.right_lung if rng.random() < 0.5 else thorax.left_lung
        thorax, air = drawing.add_pneumothorax(thorax, lung, rng)
        return thorax, drawing.tight_box(air, 0)
    boxes = []
    for site in SITES[name]:
        thorax, box = drawing.add_opacity(thorax, _region(thorax, site), rng)
        boxes.append(box)
    left, top = min(box.x for box in boxes), min(box.y for box in boxes)
    right, bottom = max(box.x + box.width for box in boxes), max(box.y + box.height for box in boxes)
    return thorax, Box(0, left, top, right - left, bottom - top)


def _region(thorax: drawing.Thorax, site: Site) -> NDArray[np.bool_]:
    """The site within its lung; the whole lung where the image is too small for it to hold a pixel."""
    lung = thorax.right_lung if site.right else thorax.left_lung
    rows, columns = np.nonzero(lung)
    down = (np.arange(thorax.side) - rows.min()) / max(np.ptp(rows), 1)
    across = (np.arange(thorax.side) - columns.min()) / max(np.ptp(columns), 1)
    outward = 1 - across if site.right else across
    inside = (site.top <= down) & (down <= site.bottom)
    region: NDArray[np.bool_] = lung & inside[:, None] & ((site.inner <= outward) & (outward <= site.outer))[None, :]
    return region if region.any() else lung
