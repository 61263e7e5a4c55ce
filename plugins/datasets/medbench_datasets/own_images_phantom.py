"""Generated stand-ins for a user's own images: sorted into class folders, or with a table of labels."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from medbench_datasets import drawing, label_table, people

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.samples import PhantomSize

LABELS = ("opacity", "pneumothorax")
CLASSES = ("healthy", *LABELS)
IMAGES = "images"
_COLUMNS = ("image", "patient", "sex", "age", "view", *LABELS)
_SECOND_IMAGE_SHARE, _UNCERTAIN_SHARE, _BLANK_SHARE = 0.25, 0.03, 0.05


class Case(NamedTuple):
    """One image of the phantom as (side, side) uint8, its class (`CLASSES`), and its patient."""

    name: str
    person: people.Person
    held: str
    pixels: NDArray[np.uint8]


def draw_cases(size: PhantomSize) -> Iterator[Case]:
    """``size.images`` images of somewhat fewer patients, the classes by turns; same size, same cases."""
    rng = np.random.default_rng(size.seed)
    patient, person = 0, people.invent(rng)
    for index in range(size.images):
        if index > len(CLASSES) and rng.random() >= _SECOND_IMAGE_SHARE:
            patient, person = patient + 1, people.invent(rng)
        elif index <= len(CLASSES):
            patient, person = index, people.invent(rng)
        held = CLASSES[patient % len(CLASSES)]
        thorax = drawing.draw_thorax(size.side, rng)
        if held == "opacity":
            thorax, _ = drawing.add_opacity(thorax, thorax.right_lung, rng)
        if held == "pneumothorax":
            thorax, _ = drawing.add_pneumothorax(thorax, thorax.left_lung, rng)
        yield Case(f"{index:04d}-{person.patient_id[:8]}.png", person, held, drawing.finish(thorax, rng))


def write_folder(root: Path, size: PhantomSize) -> None:
    """Write images into a folder for each class under ``root``; same size, same bytes."""
    for case in draw_cases(size):
        (root / case.held).mkdir(parents=True, exist_ok=True)
        Image.fromarray(case.pixels).save(root / case.held / case.name)


def write_table(root: Path, size: PhantomSize) -> None:
    """Write ``labels.csv`` with a column for each label, some of them blank or uncertain, and images; same size, same bytes."""
    rng = np.random.default_rng([size.seed, 1])
    (root / IMAGES).mkdir(parents=True, exist_ok=True)
    with (root / label_table.FILE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(_COLUMNS)
        for index, case in enumerate(draw_cases(size)):
            Image.fromarray(case.pixels).save(root / IMAGES / case.name)
            seen = case.person.attributes
            cells = [
                _cell(name == case.held, rng) if index >= len(CLASSES) else int(name == case.held) for name in LABELS
            ]
            row = [f"{IMAGES}/{case.name}", case.person.patient_id, seen["sex"], seen["age"], seen["view"], *cells]
            table.writerow(row)


def _cell(present: bool, rng: np.random.Generator) -> int | str:
    """1 or 0, seldom -1 (uncertain) or nothing (unknown)."""
    lot = rng.random()
    if lot < _UNCERTAIN_SHARE:
        return -1
    return "" if lot < _UNCERTAIN_SHARE + _BLANK_SHARE else int(present)
