"""A generated stand-in for COVIDx in the official raw form: clear lungs, one opacity (pneumonia), or both lungs (COVID-19)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from medbench_datasets import covidx_lists, drawing, people

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.samples import PhantomSize

_PARTS = ("train", "test", "val", "train", "train", "train", "test", "train", "train")
_FINDINGS = ("normal", "pneumonia", "COVID-19")
_SECOND_IMAGE_SHARE = 0.25


class Case(NamedTuple):
    """One image of the phantom as (side, side) uint8, the folder it is in, and its 9A class."""

    part: str
    name: str
    patient: str
    finding: str
    pixels: NDArray[np.uint8]


def draw_cases(size: PhantomSize) -> Iterator[Case]:
    """``size.images`` images of somewhat fewer patients, the classes in turn in every part; same size, same cases."""
    rng = np.random.default_rng(size.seed)
    patients, person, image = -1, people.invent(rng), 0
    turn = dict.fromkeys(_PARTS, 0)
    for index in range(size.images):
        second = image == 1 and index >= len(_PARTS) and rng.random() < _SECOND_IMAGE_SHARE
        if second:
            image = 2
        else:
            patients, person, image = patients + 1, people.invent(rng), 1
            turn[_PARTS[patients % len(_PARTS)]] += 1
        part = _PARTS[patients % len(_PARTS)]
        finding = _FINDINGS[(turn[part] + (part == "test")) % len(_FINDINGS)]
        thorax = drawing.draw_thorax(size.side, rng)
        ill = {"normal": (), "pneumonia": (thorax.right_lung,), "COVID-19": (thorax.right_lung, thorax.left_lung)}
        for lung in ill[finding]:
            thorax, _ = drawing.add_opacity(thorax, lung, rng)
        name = f"{person.patient_id[:8]}.{image}-phantom.png"  # dotted, as many official names are
        yield Case(part, name, person.patient_id[:8], finding, drawing.finish(thorax, rng))


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write both sets of lists and the images that they share under ``root``; same size, same bytes."""
    lists: dict[str, list[str]] = {name: [] for name in (*covidx_lists.LISTS_9A, *covidx_lists.LISTS_CXR4)}
    for folder in covidx_lists.LISTS_CXR4.values():
        (root / folder).mkdir(parents=True, exist_ok=True)
    for case in draw_cases(size):
        binary = "positive" if case.finding == "COVID-19" else "negative"
        lists[f"{case.part}.txt"].append(f"{case.patient} {case.name} {binary} phantom")
        if case.part != "val":
            lists[f"{case.part}_COVIDx9A.txt"].append(f"{case.patient} {case.name} {case.finding} phantom")
        Image.fromarray(case.pixels).save(root / case.part / case.name)
    for name, lines in lists.items():
        (root / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
