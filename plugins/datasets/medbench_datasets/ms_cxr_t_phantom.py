"""A generated stand-in for MS-CXR-T's image pairs in the official raw form: findings that appear, stay or go."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from medbench_datasets import drawing, ms_cxr_t, people

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.samples import PhantomSize

_COLUMNS = ("dicom_id", "subject_id", "study_id", "previous_dicom_id", "previous_study_id", *ms_cxr_t.FINDINGS)
_SAME_PATIENT_SHARE, _LABELLED_SHARE = 0.3, 0.6
_AIR = "pneumothorax_progression"
"""The finding that is drawn as air; the other four are all drawn as opacities, and progress together."""


class View(NamedTuple):
    """One image of a pair: its path as ``dicom_id`` gives it, its study, and its (side, side) uint8 pixels."""

    dicom_id: str
    study_id: str
    pixels: NDArray[np.uint8]


class Case(NamedTuple):
    """One pair, and the progressions known of it by column."""

    subject_id: str
    previous: View
    current: View
    progressions: Mapping[str, str]


def draw_cases(size: PhantomSize) -> Iterator[Case]:
    """``size.images`` pairs, each of two images, of somewhat fewer patients; same size, same cases."""
    rng = np.random.default_rng(size.seed)
    subject = study = 0
    for _ in range(size.images):
        if not subject or rng.random() >= _SAME_PATIENT_SHARE:
            subject = int(rng.integers(10_000_000, 20_000_000))
        opacity, air = (str(word) for word in rng.choice(ms_cxr_t.PROGRESSIONS, 2))
        study += 2
        pixels = _draw_pair(size.side, opacity, air, rng)
        early, late = (_view(subject, 50_000_000 + study + number, pixels[number], rng) for number in range(2))
        progressions = {column: air if column == _AIR else opacity for column in ms_cxr_t.FINDINGS}
        yield Case(str(subject), early, late, _some_of(progressions, rng))


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write the CSV, and the images of the pairs as JPEG, under ``root``; same size, same bytes."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ms_cxr_t.LABELS_FILE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(_COLUMNS)
        for case in draw_cases(size):
            late, early = case.current, case.previous
            ids = [late.dicom_id, case.subject_id, late.study_id, early.dicom_id, early.study_id]
            table.writerow([*ids, *(case.progressions.get(column, "") for column in ms_cxr_t.FINDINGS)])
            for view in (early, late):
                path = root / ms_cxr_t.IMAGES / f"{view.dicom_id}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(view.pixels).save(path, quality=95)


def _draw_pair(side: int, opacity: str, air: str, rng: np.random.Generator) -> list[NDArray[np.uint8]]:
    """The earlier image and the later one of one chest; improving is there and then gone, stable is there in both."""
    healthy = drawing.draw_thorax(side, rng)
    seed = int(rng.integers(1 << 32))
    pair = []
    for late in range(2):
        again = np.random.default_rng(seed)  # so that what stays is drawn in the same place
        thorax = healthy
        if _shows(air, late):
            thorax, _ = drawing.add_pneumothorax(thorax, thorax.left_lung, again)
        if _shows(opacity, late):
            thorax, _ = drawing.add_opacity(thorax, thorax.right_lung, again)
        pair.append(drawing.finish(thorax, rng))
    return pair


def _shows(progression: str, late: int) -> bool:
    return progression == "stable" or (progression == "worsening") == bool(late)


def _view(subject: int, study: int, pixels: NDArray[np.uint8], rng: np.random.Generator) -> View:
    folder = f"p{str(subject)[:2]}/p{subject}/s{study}"
    return View(f"{folder}/{people.invent(rng).patient_id}", str(study), pixels)


def _some_of(progressions: Mapping[str, str], rng: np.random.Generator) -> dict[str, str]:
    """The columns that are labelled for this pair, at least one."""
    certain = str(rng.choice(list(progressions)))
    return {
        column: word for column, word in progressions.items() if column == certain or rng.random() < _LABELLED_SHARE
    }
