"""A generated stand-in for RSNA Pneumonia in the official raw form: bright opacities in the lungs, boxed."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from medbench_datasets import drawing, people, rsna, rsna_medslip
from medbench_datasets.dicom import write_dicom

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.samples import Box, PhantomSize

_POSITIVE_SHARE, _BOTH_LUNGS_SHARE = 0.6, 0.3
MEDSLIP_EVERY = 3
_OTHER_CLASSES = ("Normal", "No Lung Opacity / Not Normal")


class Case(NamedTuple):
    """One patient of the phantom: the image as (side, side) uint8, and the truth drawn into it."""

    person: people.Person
    pixels: NDArray[np.uint8]
    boxes: tuple[Box, ...]
    finer_class: str


def draw_cases(size: PhantomSize) -> Iterator[Case]:
    """``size.images`` patients, about 60 % of whom have one or two opacities; the same size gives the same cases."""
    rng = np.random.default_rng(size.seed)
    for _ in range(size.images):
        person = people.invent(rng)
        thorax = drawing.draw_thorax(size.side, rng)
        lungs = [thorax.right_lung, thorax.left_lung]
        count = 0
        if rng.random() < _POSITIVE_SHARE:
            count = 2 if rng.random() < _BOTH_LUNGS_SHARE else 1
        boxes = []
        for index in rng.permutation(2)[:count]:
            thorax, box = drawing.add_opacity(thorax, lungs[index], rng)
            boxes.append(box)
        finer_class = rsna.POSITIVE_CLASS if boxes else str(rng.choice(_OTHER_CLASSES))
        yield Case(person, drawing.finish(thorax, rng), tuple(boxes), finer_class)


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write the label file, the class file, MeDSLIP's list and a DICOM a patient under ``root``; same size, same bytes."""
    root.mkdir(parents=True, exist_ok=True)
    with (
        (root / rsna.LABELS_FILE).open("w", encoding="utf-8", newline="") as labels_file,
        (root / rsna.CLASSES_FILE).open("w", encoding="utf-8", newline="") as classes_file,
        (root / rsna_medslip.FILE).open("w", encoding="utf-8", newline="") as medslip_file,
    ):
        labels, classes, medslip = csv.writer(labels_file), csv.writer(classes_file), csv.writer(medslip_file)
        medslip.writerow(rsna_medslip.COLUMNS)
        labels.writerow(rsna.LABEL_COLUMNS)
        classes.writerow(rsna.CLASS_COLUMNS)
        for index, (person, pixels, boxes, finer_class) in enumerate(draw_cases(size)):
            patient = person.patient_id
            if index % MEDSLIP_EVERY == 0:
                medslip.writerow([patient, f"phantom/{patient}.dcm", rsna_medslip.write_boxes(boxes), int(bool(boxes))])
            rows = [[patient, *(f"{value:.1f}" for value in box[1:]), 1] for box in boxes]
            labels.writerows(rows or [[patient, "", "", "", "", 0]])
            classes.writerows([[patient, finer_class]] * max(1, len(boxes)))
            path = root / rsna.IMAGES / f"{patient}.dcm"
            write_dicom(path, pixels, uid=person.uid, patient_id=patient, attributes=person.attributes)
