"""The test list that the MeDSLIP release ships for RSNA: one row a patient, ``ID``, ``img_path``, ``boxes`` and ``classes``.

``boxes`` are ``x;y;width;height`` joined by ``|``, and the word ``nan`` where there is none; ``classes`` is 0 or 1. Labels and
boxes are taken from the challenge's own label file, so the list gives the ids alone and is checked against it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.samples import Problem
from medbench_datasets.seen_names import SeenNames
from medbench_datasets.tables import SURPLUS, read_csv

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence
    from pathlib import Path

    from medbench.samples import Box

FILE = "medslip_test.csv"
COLUMNS = ("ID", "img_path", "boxes", "classes")
NO_BOXES = "nan"


def read_ids(
    root: Path, label_of: Mapping[str, int], patients: Container[str], problems: list[Problem]
) -> list[str] | None:
    """Ids of the list that have a label, in its order; None without the file.

    Ids that are none of ``patients``, which the label file names, are reported once, and each class that is not the label,
    which is kept. Raises `MissingDataError` where the file lacks a column.
    """
    if not (root / FILE).is_file():
        return None
    seen = SeenNames()
    ids, unknown = [], []
    for row in read_csv(root / FILE, COLUMNS):
        where, one, found = f"{FILE}:{row.line}", row.cells["ID"], row.cells["classes"]
        repeated = seen.take(one)
        if row.surplus or repeated:
            kind, detail = repeated or ("bad-row", SURPLUS)
            problems.append(Problem(kind, where, f"{detail}; passed over"))
        elif one not in patients:
            unknown.append(one)
        elif one in label_of:
            ids.append(one)
            if found != str(label_of[one]):
                detail = f"class {found!r} but Target {label_of[one]}; the Target was kept"
                problems.append(Problem("label-disagreement", where, detail))
    if unknown:
        detail = f"{len(unknown):,} ids have no usable row in the label file, as {unknown[0]!r}"
        problems.append(Problem("unlisted-image", FILE, detail))
    return ids


def write_boxes(boxes: Sequence[Box]) -> str:
    """The cell ``boxes`` of a row."""
    return "|".join(";".join(f"{value:.1f}" for value in box[1:]) for box in boxes) or NO_BOXES
