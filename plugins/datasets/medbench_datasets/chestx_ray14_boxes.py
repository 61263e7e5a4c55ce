"""The table of boxes that NIH ChestX-ray14 ships for 880 of its images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.samples import Box, Problem
from medbench_datasets.geometry import fit_box
from medbench_datasets.rasters import Size, read_size
from medbench_datasets.tables import SURPLUS, find_table, read_csv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BOXES_FILE = "BBox_List_2017.csv"
BOX_CELLS = ("Bbox [x", "y", "w", "h]")
"""The official header reads ``Bbox [x,y,w,h]``, so that its own commas divide it."""
BOX_COLUMNS = ("Image Index", "Finding Label", *BOX_CELLS)
BOX_NAMES = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
)
"""In the spelling of the labels; the table of boxes itself writes Infiltrate."""
OFFICIAL_SIZE = Size(1024, 1024)

_SPELLINGS = {"Infiltrate": "Infiltration"}


def read_box_list(root: Path, images: Mapping[str, str], problems: list[Problem]) -> dict[str, tuple[Box, ...]]:
    """Boxes by image name, in pixels of the image; ``images`` maps the names that have a sample to their paths.

    No table gives no boxes. Malformed rows, exact repetitions, unknown images and boxes off their image are reported and
    passed over. Where an image's header cannot be read, the official 1024 x 1024 pixels are taken.
    """
    path = find_table(root, BOXES_FILE.removesuffix(".csv"))
    if path is None:
        return {}
    found: dict[str, list[Box]] = {}
    sizes: dict[str, Size] = {}
    for row in read_csv(path, BOX_COLUMNS):
        where = f"{path.name}:{row.line}"
        name = row.cells["Image Index"]
        if row.surplus:
            problems.append(Problem("bad-row", where, f"{SURPLUS}; passed over"))
            continue
        if name not in images:
            problems.append(
                Problem("bad-row", where, f"image {name!r} has no usable row in the label table; passed over")
            )
            continue
        try:
            box = _box(row.cells)
        except ValueError as error:
            problems.append(Problem("bad-row", where, f"{error}; passed over"))
            continue
        if name not in sizes:
            sizes[name] = read_size(root / images[name]) or OFFICIAL_SIZE
        fitted = fit_box(box, height=sizes[name].height, width=sizes[name].width, where=where)
        problems += [fitted.problem] if fitted.problem else []
        if fitted.box is not None and fitted.box in found.get(name, ()):
            problems.append(Problem("duplicate-row", where, f"image {name} has this box twice"))
        elif fitted.box is not None:
            found.setdefault(name, []).append(fitted.box)
    return {name: tuple(boxes) for name, boxes in found.items()}


def _box(cells: Mapping[str, str]) -> Box:
    finding = _SPELLINGS.get(cells["Finding Label"], cells["Finding Label"])
    if finding not in BOX_NAMES:
        raise ValueError(f"Finding Label is {cells['Finding Label']!r}")
    return Box(BOX_NAMES.index(finding), *(float(cells[name]) for name in BOX_CELLS))
