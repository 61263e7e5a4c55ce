"""A generated stand-in for NIH ChestX-ray14 in the official raw form: findings in places of their own, some of them boxed."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from medbench_datasets import chestx_ray14
from medbench_datasets.chest_findings import draw_visits
from medbench_datasets.chestx_ray14_boxes import BOX_CELLS, BOX_COLUMNS, BOX_NAMES, BOXES_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.samples import Box, PhantomSize

FOLDER = "images_001/images"

_COMMON = ("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Pneumothorax")
_RARE = tuple(name for name in chestx_ray14.LABELS if name not in _COMMON)
_TEST_EVERY, _BOXED_SHARE = 4, 0.6
_TAIL = ("OriginalImage[Width", "Height]", "OriginalImagePixelSpacing[x", "y]")
"""As upstream: the header's bracketed names are cut by their own commas."""
_HEADER = (*chestx_ray14.COLUMNS[:2], "Follow-up #", *chestx_ray14.COLUMNS[2:], *_TAIL)
_PIXEL_SPACING = "0.143"


class Case(NamedTuple):
    """One image, (side, side) uint8, and what was drawn into it; ``boxes`` is empty where its findings were not boxed."""

    name: str
    patient: int
    number: int
    test: bool
    attributes: Mapping[str, str]
    findings: tuple[str, ...]
    pixels: NDArray[np.uint8]
    boxes: Mapping[str, Box]


def draw_cases(size: PhantomSize) -> Iterator[Case]:
    """``size.images`` images, the second of every four patients in the test list, whose images alone are boxed."""
    rng = np.random.default_rng(size.seed)
    for visit in draw_visits(size, rng, common=_COMMON, rare=_RARE):
        test = visit.patient % _TEST_EVERY == 1
        boxed = test and bool(rng.random() < _BOXED_SHARE)
        yield Case(
            name=f"{visit.patient + 1:08d}_{visit.number:03d}.png",
            patient=visit.patient + 1,
            number=visit.number,
            test=test,
            attributes={**visit.person.attributes, "view": visit.view},
            findings=tuple(name for name in chestx_ray14.LABELS if name in visit.boxes),
            pixels=visit.pixels,
            boxes={name: box for name, box in visit.boxes.items() if boxed and name in BOX_NAMES},
        )


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write the table of labels, that of boxes, both lists and the PNG images; same size, same bytes."""
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    labels: list[list[object]] = []
    boxes: list[list[object]] = []
    lists: dict[bool, list[str]] = {False: [], True: []}
    for case in draw_cases(size):
        Image.fromarray(case.pixels).save(root / FOLDER / case.name)
        lists[case.test].append(case.name)
        seen = [case.attributes[name] for name in ("age", "sex", "view")]
        findings = "|".join(case.findings) or chestx_ray14.NO_FINDING
        size_of = [size.side, size.side, _PIXEL_SPACING, _PIXEL_SPACING]
        labels.append([case.name, findings, case.number, case.patient, *seen, *size_of])
        for name, box in case.boxes.items():
            boxes.append([case.name, name.replace("Infiltration", "Infiltrate"), *box[1:], "", "", ""])
    header = ",".join(BOX_COLUMNS[:2] + BOX_CELLS)
    _write(root / chestx_ray14.LABEL_FILES[0], ",".join(_HEADER), labels)
    _write(root / BOXES_FILE, f"{header},,,", boxes)
    for file, test in ((chestx_ray14.TRAIN_LIST, False), (chestx_ray14.TEST_LIST, True)):
        (root / file).write_text("\n".join(lists[test]), encoding="utf-8")


def _write(path: Path, header: str, rows: list[list[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"{header}\r\n")
        csv.writer(file).writerows(rows)
