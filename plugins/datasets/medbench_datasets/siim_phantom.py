"""A generated stand-in for SIIM-ACR Pneumothorax in the official raw form: dark air beside a collapsed lung."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from medbench_datasets import drawing, people, siim
from medbench_datasets.dicom import write_dicom
from medbench_datasets.rle import encode_rle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.samples import PhantomSize

_POSITIVE_SHARE, _BOTH_LUNGS_SHARE = 0.6, 0.2
_HEADER = ("ImageId", " EncodedPixels")
"""The official header, its space included."""


class Case(NamedTuple):
    """One image of the phantom as (side, side) uint8, and the regions of air drawn into it, a row of the list each."""

    person: people.Person
    pixels: NDArray[np.uint8]
    regions: tuple[NDArray[np.bool_], ...]


def draw_cases(size: PhantomSize) -> Iterator[Case]:
    """``size.images`` images, about 60 % of them with a pneumothorax in one lung or in both; same size, same cases."""
    rng = np.random.default_rng(size.seed)
    for _ in range(size.images):
        person = people.invent(rng)
        thorax = drawing.draw_thorax(size.side, rng)
        lungs = [thorax.right_lung, thorax.left_lung]
        count = 0
        if rng.random() < _POSITIVE_SHARE:
            count = 2 if rng.random() < _BOTH_LUNGS_SHARE else 1
        regions = []
        for index in rng.permutation(2)[:count]:
            thorax, region = drawing.add_pneumothorax(thorax, lungs[index], rng)
            regions.append(region)
        yield Case(person, drawing.finish(thorax, rng), tuple(regions))


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write the stage-1 list and the DICOMs, in a folder of study and series each; same size, same bytes."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / siim.STAGE_1_FILE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(_HEADER)
        for person, pixels, regions in draw_cases(size):
            texts = [encode_rle(region) for region in regions] or [siim.NO_FINDING]
            table.writerows([person.uid, f" {text}"] for text in texts)
            path = root / siim.IMAGES / f"{person.uid}.1" / f"{person.uid}.2" / f"{person.uid}.dcm"
            write_dicom(path, pixels, uid=person.uid, patient_id=person.patient_id, attributes=person.attributes)
