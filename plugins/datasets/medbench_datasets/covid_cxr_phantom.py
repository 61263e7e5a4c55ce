"""A generated stand-in for the covid-chestxray collection in its public form: lungs to box and to segment."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from medbench_datasets import covid_cxr, drawing, people, phantom_reports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.samples import Box, PhantomSize

_COLUMNS = (
    "patientid",
    "offset",
    "sex",
    "age",
    "finding",
    "view",
    "modality",
    "folder",
    "filename",
    covid_cxr.NOTES_COLUMN,
)
_POSITIVE_SHARE, _SECOND_IMAGE_SHARE, _MASK_SHARE, _NOTE_SHARE = 0.5, 0.3, 0.9, 0.8


class Case(NamedTuple):
    """One image of the phantom as (side, side) uint8, with the boxes of both lungs and, mostly, their mask."""

    name: str
    patient_id: int
    offset: int
    attributes: Mapping[str, str]
    finding: str
    pixels: NDArray[np.uint8]
    boxes: tuple[Box, ...]
    mask: NDArray[np.bool_] | None
    note: str


def draw_cases(size: PhantomSize) -> Iterator[Case]:
    """``size.images`` images of somewhat fewer patients; same size, same cases."""
    rng = np.random.default_rng(size.seed)
    words = np.random.default_rng((size.seed, 1))  # apart, so that images stay the same whatever the wording
    patient, offset, person, ill = 0, 0, people.invent(rng), False
    for index in range(size.images):
        if index and offset == 0 and rng.random() < _SECOND_IMAGE_SHARE:
            offset = int(rng.integers(1, 15))
        else:
            patient, offset, person, ill = patient + 1, 0, people.invent(rng), bool(rng.random() < _POSITIVE_SHARE)
        thorax = drawing.draw_thorax(size.side, rng)
        lungs = thorax.right_lung, thorax.left_lung
        drawn = []
        for lung in lungs if ill else ():
            thorax, box = drawing.add_opacity(thorax, lung, rng)
            drawn.append(phantom_reports.locate(phantom_reports.OPACITY, box, size.side))
        note = phantom_reports.caption_text(drawn, words)
        yield Case(
            name=f"{person.patient_id[:8]}-{offset}.png",
            patient_id=patient,
            offset=offset,
            attributes=person.attributes,
            finding="Pneumonia/Viral/COVID-19" if ill else "No Finding",
            pixels=drawing.finish(thorax, rng),
            boxes=tuple(drawing.tight_box(lung, label) for label, lung in enumerate(lungs)),
            mask=thorax.lungs if rng.random() < _MASK_SHARE else None,
            note=note if words.random() < _NOTE_SHARE else "",
        )


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write metadata, images, masks and boxes under ``root``; same size, same bytes."""
    for folder in (covid_cxr.IMAGES, covid_cxr.MASKS):
        (root / folder).mkdir(parents=True, exist_ok=True)
    categories = [{"id": index + 1, "name": name} for index, name in enumerate(covid_cxr.LUNGS)]
    boxes: dict[str, list[dict[str, Any]]] = {"categories": categories, "images": [], "annotations": []}
    with (root / covid_cxr.METADATA_FILE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(_COLUMNS)
        for case in draw_cases(size):
            seen = case.attributes
            person = [case.patient_id, case.offset, seen["sex"], seen["age"], case.finding, seen["view"]]
            table.writerow([*person, "X-ray", covid_cxr.IMAGES, case.name, case.note])
            Image.fromarray(case.pixels).save(root / covid_cxr.IMAGES / case.name)
            if case.mask is not None:
                Image.fromarray(case.mask).save(root / covid_cxr.MASKS / f"{case.name}.png")
            _add_boxes(boxes, case)
    (root / covid_cxr.BOXES_FILE).write_text(json.dumps(boxes), encoding="utf-8")


def _add_boxes(document: dict[str, list[dict[str, Any]]], case: Case) -> None:
    height, width = case.pixels.shape
    image_id = len(document["images"]) + 1
    document["images"].append({"id": image_id, "file_name": case.name, "width": width, "height": height})
    for box in case.boxes:
        identity = len(document["annotations"]) + 1
        document["annotations"].append(
            {
                "id": identity,
                "image_id": image_id,
                "category_id": box.label + 1,
                "bbox": list(box[1:]),
                "area": box.width * box.height,
                "iscrowd": 0,
            }
        )
