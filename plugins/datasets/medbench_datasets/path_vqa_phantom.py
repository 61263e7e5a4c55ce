"""A generated stand-in for PathVQA in the authors' form: stained tissue, with cells, fat, both or neither to tell."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from medbench_datasets import path_vqa
from medbench_datasets.phantom_questions import PARTS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.samples import PhantomSize

_PINK, _PURPLE, _WHITE = (232, 176, 200), (96, 52, 140), (246, 242, 244)


class Tissue(NamedTuple):
    """An image as (side, side, 3) uint8, and whether there are purple cells and white fat vacuoles on it."""

    cells: bool
    fat: bool
    pixels: NDArray[np.uint8]


def draw_tissue(side: int, rng: np.random.Generator) -> Tissue:
    """Pink ground, purple dots of 4 % of the side for cells, white ones of 10 % for fat."""
    cells, fat = bool(rng.random() < 0.5), bool(rng.random() < 0.5)
    pixels = np.full((side, side, 3), _PINK, np.float32)
    rows, columns = np.mgrid[0:side, 0:side]
    for present, colour, number, radius in ((fat, _WHITE, 9, 0.1), (cells, _PURPLE, 30, 0.04)):
        for row, column in rng.uniform(0, side, (number * present, 2)):
            pixels[np.hypot(rows - row, columns - column) < max(radius * side, 1)] = colour
    pixels += rng.normal(0, 5, pixels.shape)
    return Tissue(cells, fat, np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def questions_on(tissue: Tissue) -> list[tuple[str, str]]:
    """Questions and answers, yes or no and open."""
    seen = {(True, True): "lymphocytes and fat", (True, False): "lymphocytes", (False, True): "fat"}
    return [
        ("are lymphocytes present?", "yes" if tissue.cells else "no"),
        ("is fat present?", "yes" if tissue.fat else "no"),
        ("what is present?", seen.get((tissue.cells, tissue.fat), "stroma")),
    ]


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write pickled question lists and images under ``root``; same size, same bytes."""
    rng = np.random.default_rng(size.seed)
    rows: dict[str, list[dict[str, str]]] = {part: [] for part in path_vqa.FOLDERS}
    for folder in path_vqa.FOLDERS.values():
        (root / path_vqa.IMAGES / folder).mkdir(parents=True, exist_ok=True)
        (root / path_vqa.QUESTIONS / folder).mkdir(parents=True, exist_ok=True)
    for index in range(size.images):
        part = PARTS[index % len(PARTS)]
        folder, tissue = path_vqa.FOLDERS[part], draw_tissue(size.side, rng)
        name = f"{folder}_{index:04d}"
        Image.fromarray(tissue.pixels).save(root / path_vqa.IMAGES / folder / f"{name}.jpg", quality=92)
        rows[part] += [
            {"image": name, "question": question, "answer": answer} for question, answer in questions_on(tissue)
        ]
    for part, folder in path_vqa.FOLDERS.items():
        path = root / path_vqa.QUESTIONS / folder / f"{folder}_qa.pkl"
        path.write_bytes(pickle.dumps(rows[part], protocol=4))
