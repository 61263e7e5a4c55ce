"""Panels of compound figures: their boxes and letters from the pipeline's files, and which of them a caption is of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from medbench.errors import MissingDataError
from medbench.samples import Problem, Region
from medbench_datasets.folders import is_there
from medbench_datasets.json_rows import read_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FOLDERS = ("boxes", "bound/bounding_boxes_new", "bounding_boxes_20k")
"""Where the boxes lie: a neutral name, and the two of the release, the later one first."""


class Panel(NamedTuple):
    """A panel's rectangle, and the texts that were read in it, in lower case: the whole block, then single tokens."""

    region: Region
    letters: tuple[str, ...]


class Choice(NamedTuple):
    """What of a figure a caption is of: a region, None for all of it, and by which rule that was found."""

    region: Region | None
    rule: str


def boxes_folder(root: Path) -> Path | None:
    """The folder of the boxes, or None."""
    return next((root / name for name in FOLDERS if (root / name).is_dir()), None)


def read_panels(path: Path, problems: list[Problem]) -> tuple[Panel, ...] | None:
    """The panels of one figure's file; None, with a problem, where it is absent or no list of ``{x, y, w, h}``.

    An entry that is no rectangle is reported and left out.
    """
    if not is_there(path):
        problems.append(
            Problem("missing-boxes", path.name, "no boxes for this figure; captions are of the whole of it")
        )
        return None
    try:
        listed = read_json(path)
    except MissingDataError as error:
        problems.append(Problem("bad-boxes", path.name, f"{error.message}; captions are of the whole figure"))
        return None
    if not isinstance(listed, list):
        problems.append(Problem("bad-boxes", path.name, "no list of boxes; captions are of the whole figure"))
        return None
    panels = []
    for index, entry in enumerate(listed):
        region = _region(entry)
        if region is None:
            problems.append(Problem("bad-boxes", f"{path.name}[{index}]", "no rectangle of some area; left out"))
        else:
            panels.append(Panel(region, _letters(entry.get("OCR"))))
    return tuple(panels)


def by_letter(panels: Sequence[Panel] | None, letter: str) -> Choice:
    """The paper's rule: the first panel in which exactly ``letter`` was read; the whole figure without letter or match.

    A figure of one box is not compound, and whole.
    """
    if panels is None:
        return Choice(None, "no-boxes")
    if not letter:
        return Choice(None, "whole")
    if len(panels) == 1:
        return Choice(None, "single")
    found = next((panel.region for panel in panels if letter in panel.letters), None)
    return Choice(found, "unmatched" if found is None else "letter")


def first_box(panels: Sequence[Panel] | None) -> Choice:
    """The released retrieval code's rule: the first box whatever the letter; the whole figure where there is none."""
    if panels is None:
        return Choice(None, "no-boxes")
    return Choice(panels[0].region, "first") if panels else Choice(None, "whole")


def _region(entry: Any) -> Region | None:
    """The rectangle, its corners rounded to whole pixels as PIL crops."""
    try:
        x, y, width, height = (float(entry[key]) for key in ("x", "y", "w", "h"))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    corners = (x, y, x + width, y + height)
    if not all(math.isfinite(value) for value in corners):
        return None
    left, top, right, bottom = map(round, corners)
    return Region(left, top, right - left, bottom - top) if right > left and bottom > top else None


def _letters(read: Any) -> tuple[str, ...]:
    listed = read if isinstance(read, list) else [read]
    return tuple(one for one in listed if isinstance(one, str))
