"""A generated stand-in for CheXpert in the official raw form: findings in places of their own, blank and uncertain labels."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from medbench.samples import UNCERTAIN
from medbench_datasets import chexpert
from medbench_datasets.cells import write_label
from medbench_datasets.chest_findings import draw_visits
from medbench_datasets.chexpert_splits import COMPETITION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.samples import PhantomSize
    from medbench_datasets.chest_findings import Visit

ARCHIVE = "CheXpert-v1.0-small"

_NO_FINDING = "No Finding"
_RARE = tuple(name for name in chexpert.LABELS if name not in {*COMPETITION, _NO_FINDING})
_TEST_EVERY, _LATERAL_SHARE = 4, 0.12
_DOUBTED_SHARE, _DOUBTFUL_SHARE, _BLANK_SHARE = 0.15, 0.05, 0.5
_SEXES = {"F": "Female", "M": "Male"}


class Case(NamedTuple):
    """One image, (side, side) uint8, and its row; ``labels`` holds the known ones. ``findings`` are what was drawn."""

    table: str
    path: str
    frontal: bool
    view: str
    sex: str
    age: str
    findings: frozenset[str]
    labels: Mapping[str, int]
    pixels: NDArray[np.uint8]


def draw_cases(size: PhantomSize) -> Iterator[Case]:
    """``size.images`` images, the second of every four patients in valid.csv; same size, same cases."""
    rng = np.random.default_rng(size.seed)
    for visit in draw_visits(size, rng, common=COMPETITION, rare=_RARE):
        table = chexpert.VALID_FILE if visit.patient % _TEST_EVERY == 1 else chexpert.TRAIN_FILE
        single = len(visit.boxes) == 1  # kept certain and frontal, so that a small phantom has its 5x200
        frontal = bool(rng.random() >= _LATERAL_SHARE) or single or table == chexpert.VALID_FILE
        folder = f"{table.removesuffix('.csv')}/patient{visit.patient + 1:05d}/study{visit.number + 1}"
        yield Case(
            table=table,
            path=f"{folder}/view1_{'frontal' if frontal else 'lateral'}.jpg",
            frontal=frontal,
            view=visit.view if frontal else "",
            sex=visit.person.attributes["sex"],
            age=visit.person.attributes["age"],
            findings=frozenset(visit.boxes),
            labels=_certain(visit) if table == chexpert.VALID_FILE else _mined(visit, rng, doubt=not single),
            pixels=visit.pixels,
        )


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write both tables and the JPEG images under ``root``; same size, same bytes."""
    rows: dict[str, list[list[str]]] = {chexpert.TRAIN_FILE: [], chexpert.VALID_FILE: []}
    for case in draw_cases(size):
        path = root / case.path
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(case.pixels).save(path, quality=95)
        projection = chexpert.FRONTAL if case.frontal else chexpert.LATERAL
        labels = [write_label(case.labels.get(name)) for name in chexpert.LABELS]
        rows[case.table].append([f"{ARCHIVE}/{case.path}", _SEXES[case.sex], case.age, projection, case.view, *labels])
    for table, lines in rows.items():
        with (root / table).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([chexpert.COLUMNS, *lines])


def _certain(visit: Visit) -> dict[str, int]:
    """Labels as radiologists give them: all of them, 0 or 1."""
    labels = {name: int(name in visit.boxes) for name in chexpert.LABELS}
    return {**labels, _NO_FINDING: int(not visit.boxes)}


def _mined(visit: Visit, rng: np.random.Generator, *, doubt: bool) -> dict[str, int]:
    """Labels as read off a report: half of the absent findings go unmentioned, and with ``doubt`` some are uncertain."""
    labels = {} if visit.boxes else {_NO_FINDING: 1}
    for name in chexpert.LABELS:
        certainty, mention = rng.random(2)
        if name in visit.boxes:
            labels[name] = UNCERTAIN if doubt and certainty < _DOUBTED_SHARE else 1
        elif name != _NO_FINDING and doubt and certainty < _DOUBTFUL_SHARE:
            labels[name] = UNCERTAIN
        elif name != _NO_FINDING and mention >= _BLANK_SHARE:
            labels[name] = 0
    return labels
