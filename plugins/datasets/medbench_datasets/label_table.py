"""A user's own images with a table of labels, ``labels.csv``, a row for each image.

Column ``image`` is the path from the table's folder. Labels are either one column ``label`` with the name of the class, or
a column for each label with 1, 0, -1 (uncertain) or nothing (unknown). Optional are ``patient``, ``split`` (train, valid,
test), ``sex``, ``age`` and ``view``. Columns whose names begin with ``_`` are not read.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from medbench.errors import MissingDataError
from medbench.samples import Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile
from medbench_datasets.cells import age_of, is_blank, read_label, read_labels, sex_of
from medbench_datasets.label_columns import Columns, read_table
from medbench_datasets.names import complain_of_path, is_plain_text, look_alikes, tidy_path
from medbench_datasets.own_images import PART_NAMES, SPLIT, SPLIT_SPEC, drawn_split, given_split

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medbench.specs import Part
    from medbench_datasets.tables import TableRow

FILE = "labels.csv"

SPEC = DatasetSpec(
    id="csv",
    title="Own images with a table of labels",
    modality="any",
    access="open",
    licence="the user's own",
    url="your own disk",
    files=(
        ExpectedFile(path=FILE, purpose="image, then label or a column for each label; patient, split, sex, age, view"),
        ExpectedFile(path="*", purpose="the images, at the paths that the table gives", kind="folder", required=False),
    ),
    supervision=frozenset({"labels"}),
    label_names=(),
    splits=(SPLIT_SPEC,),
    reader="medbench_datasets.label_table:read",
    images_from=None,
    phantom="medbench_datasets.own_images_phantom:write_table",
    tags=("own", "classification"),
)


class _Usable(NamedTuple):
    """Rows that can become samples, one for each image, and how many images all rows name."""

    rows: list[TableRow]
    listed: int


def read(root: Path) -> RawDataset:
    """One sample a row, in the table's order, whose id is the image's path.

    ``label_names`` are the sorted classes of column ``label``, of which an image holds one, or the label columns in their
    order. Without ``patient`` every image is a patient of its own. Rows with a cell that cannot be read are reported and
    left out. Raises `MissingDataError`, saying what to change, where the table cannot be understood as a whole, or has too
    few patients for a test part to be drawn.
    """
    problems: list[Problem] = []
    path = root / FILE
    table = read_table(path)
    kept = _usable(table.columns, table.rows, problems)
    rows = kept.rows
    if not rows:
        raise MissingDataError(f"{path} has no usable row (first: {_first(problems)})", fix="correct the table")
    names = _class_names(path, table.columns, rows) if table.columns.label else table.columns.labels
    samples = [_sample(row, table.columns, names, problems) for row in rows]
    problems += [*look_alikes(names), *_constant(names, samples)]
    if table.columns.split:
        part_of = _parts(rows, table.columns, problems)
        split = given_split(samples, part_of, path, problems)
    else:
        split = drawn_split(samples, path, fix="give a column 'split' with train, valid and test")
    return RawDataset(
        samples=tuple(samples),
        splits={SPLIT: split},
        problems=tuple(problems),
        label_names=tuple(names),
        listed=kept.listed,
    )


def _class_names(path: Path, columns: Columns, rows: Sequence[TableRow]) -> tuple[str, ...]:
    names = sorted({cell for row in rows if not is_blank(cell := row.cells[columns.label])})
    if len(names) < 2:
        found = f"one class alone ('{names[0]}'), and nothing can be told apart" if names else "no class at all"
        raise MissingDataError(
            f"column 'label' of {path} names {found}", fix="give the class of every image, two or more"
        )
    return tuple(names)


def _usable(columns: Columns, rows: Sequence[TableRow], problems: list[Problem]) -> _Usable:
    """Rows that can become samples; the others are reported."""
    first: dict[str, TableRow] = {}
    contradicted: set[str] = set()
    bad = 0
    for row in rows:
        image = tidy_path(row.cells[columns.image])
        where = f"{FILE}:{row.line}"
        complaint = _complaint(row, columns)
        if complaint is not None:
            bad += 1
            problems.append(Problem("bad-row", where, f"{complaint}; passed over"))
        elif image not in first:
            first[image] = row
        elif row.cells == first[image].cells:
            problems.append(Problem("duplicate-row", where, f"'{image}' has this row twice; one was taken"))
        else:
            contradicted.add(image)
            detail = f"'{image}' has another row in line {first[image].line}, and they differ; the image was left out"
            problems.append(Problem("duplicate-row", where, detail))
    return _Usable([row for image, row in first.items() if image not in contradicted], len(first) + bad)


def _complaint(row: TableRow, columns: Columns) -> str | None:
    """What is wrong with a row: its path, its part, or the cell of a label."""
    complaint = complain_of_path(row.cells[columns.image])
    if complaint is not None:
        return complaint
    part = row.cells[columns.split].casefold() if columns.split else ""
    if not is_blank(part) and part not in PART_NAMES:
        return f"split is '{part}', not train, valid or test"
    for name in filter(None, (columns.label, columns.patient)):
        if not is_plain_text(row.cells[name]):
            return f"column '{name}' holds control characters: {row.cells[name]!r}"
    for name in columns.labels:
        try:
            read_label(row.cells[name])
        except ValueError:
            return f"column '{name}' holds '{row.cells[name]}', not 1, 0, -1 or nothing"
    return None


def _sample(row: TableRow, columns: Columns, names: Sequence[str], problems: list[Problem]) -> Sample:
    image = tidy_path(row.cells[columns.image])
    patient = row.cells[columns.patient] if columns.patient else ""
    return Sample(
        sample_id=image,
        patient_id=image if is_blank(patient) else patient,
        image=image,
        labels=_labels(row, columns, names),
        attributes=_attributes(row, columns, problems),
    )


def _labels(row: TableRow, columns: Columns, names: Sequence[str]) -> dict[str, int]:
    if columns.label:
        held = row.cells[columns.label]
        return {} if is_blank(held) else {name: int(name == held) for name in names}
    return read_labels(row.cells, names)


def _attributes(row: TableRow, columns: Columns, problems: list[Problem]) -> dict[str, str]:
    """``sex``, ``age`` and ``view`` as far as they can be read; what cannot is reported."""
    found = {}
    for name, column in columns.attributes.items():
        cell = row.cells[column]
        if is_blank(cell):
            continue
        value = {"sex": sex_of, "age": age_of}.get(name, str.upper)(cell)
        if value:
            found[name] = value
        else:
            problems.append(
                Problem("bad-attribute", f"{FILE}:{row.line}", f"{name} '{cell}' is not understood; unknown")
            )
    return found


def _parts(rows: Sequence[TableRow], columns: Columns, problems: list[Problem]) -> dict[str, Part]:
    """The part of each image; one with a blank cell is in none, reported."""
    parts: dict[str, Part] = {}
    for row in rows:
        if is_blank(row.cells[columns.split]):
            problems.append(Problem("no-part", f"{FILE}:{row.line}", "split is blank; the image is in no part"))
        else:
            parts[tidy_path(row.cells[columns.image])] = PART_NAMES[row.cells[columns.split].casefold()]
    return parts


def _constant(names: Sequence[str], samples: Sequence[Sample]) -> list[Problem]:
    """Labels of which no image, or every image that has one, is positive: no metric can be had of them."""
    known = {name: Counter(one.labels[name] for one in samples if name in one.labels) for name in names}
    told = {name: [value for value in (0, 1) if counts[value]] for name, counts in known.items()}
    return [
        Problem("one-class", FILE, f"label '{name}' is {values[0] if values else 'unknown'} in every row that tells it")
        for name, values in told.items()
        if len(values) < 2
    ]


def _first(problems: Sequence[Problem]) -> str:
    return f"{problems[0].where}: {problems[0].detail}" if problems else "none"
