"""A generated stand-in for VinDr-CXR in the official raw form: opacities and pneumothoraces, seen by three readers each."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from medbench_datasets import drawing, people
from medbench_datasets.dicom import write_dicom
from medbench_datasets.vindr_cxr import ALIASES, ANNOTATIONS, BOX_COLUMNS, LABELS, LOCAL, NO_FINDING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.samples import Box, PhantomSize

OPACITY, PNEUMOTHORAX = "Lung Opacity", "Pneumothorax"
READERS = ("R8", "R9", "R10")
_TEST_EVERY = 4
_DISSENT_SHARE = 0.3


class Case(NamedTuple):
    """One image of the phantom as (side, side) uint8, the findings drawn into it with a box each, and who misses them."""

    part: str
    image_id: str
    attributes: dict[str, str]
    pixels: NDArray[np.uint8]
    boxes: tuple[Box, ...]
    dissenter: str | None

    def findings(self, reader: str) -> frozenset[str]:
        """What a reader says: what is there, or nothing where he dissents."""
        return frozenset() if reader == self.dissenter else frozenset(LOCAL[box.label] for box in self.boxes)


def draw_cases(size: PhantomSize) -> Iterator[Case]:
    """``size.images`` images, every fourth for test, findings by turns; of the others one reader in three may dissent."""
    rng = np.random.default_rng(size.seed)
    for index in range(size.images):
        person = people.invent(rng)
        part = "test" if index % _TEST_EVERY == 1 else "train"
        thorax = drawing.draw_thorax(size.side, rng)
        turn, boxes = index // _TEST_EVERY + index % _TEST_EVERY, []
        if turn % 2:
            thorax, box = drawing.add_opacity(thorax, thorax.right_lung, rng)
            boxes.append(box._replace(label=LOCAL.index(OPACITY)))
        if turn % 3 == 0:
            thorax, air = drawing.add_pneumothorax(thorax, thorax.left_lung, rng)
            boxes.append(drawing.tight_box(air, LOCAL.index(PNEUMOTHORAX)))
        dissents = part == "train" and boxes and rng.random() < _DISSENT_SHARE
        dissenter = str(rng.choice(READERS)) if dissents else None
        image_id = person.patient_id.replace("-", "")
        yield Case(part, image_id, dict(person.attributes), drawing.finish(thorax, rng), tuple(boxes), dissenter)


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write label files, box files and DICOMs under ``root``; same size, same bytes."""
    cases = list(draw_cases(size))
    (root / ANNOTATIONS).mkdir(parents=True, exist_ok=True)
    for part in ("train", "test"):
        (root / part).mkdir(exist_ok=True)
        _write_tables(root / ANNOTATIONS, part, [case for case in cases if case.part == part])
    for case in cases:
        uid = f"2.25.{int(case.image_id, 16)}"
        path = root / case.part / f"{case.image_id}.dicom"
        write_dicom(path, case.pixels, uid=uid, patient_id="", attributes=case.attributes)


def _write_tables(folder: Path, part: str, cases: list[Case]) -> None:
    train = part == "train"
    by_reader = ["rad_id"] if train else []
    with (
        (folder / f"image_labels_{part}.csv").open("w", encoding="utf-8", newline="") as labels_file,
        (folder / f"annotations_{part}.csv").open("w", encoding="utf-8", newline="") as boxes_file,
    ):
        labels, boxes = csv.writer(labels_file), csv.writer(boxes_file)
        names = LABELS if train else [ALIASES.get(name, name) for name in LABELS]
        labels.writerow(["image_id", *by_reader, *names])
        boxes.writerow(["image_id", *by_reader, "class_name", *BOX_COLUMNS])
        for case in cases:
            for reader in READERS if train else ("",):
                first = [case.image_id, *([reader] if train else [])]
                seen = case.findings(reader)
                cells = [int(name in seen or (name == NO_FINDING and not seen)) for name in LABELS]
                labels.writerow([*first, *(map(float, cells) if train else cells)])
                boxes.writerows(_box_rows(first, case.boxes if seen else ()))


def _box_rows(first: list[str], boxes: tuple[Box, ...]) -> list[list[object]]:
    if not boxes:
        return [[*first, NO_FINDING, "", "", "", ""]]
    return [[*first, LOCAL[box.label], box.x, box.y, box.x + box.width, box.y + box.height] for box in boxes]
