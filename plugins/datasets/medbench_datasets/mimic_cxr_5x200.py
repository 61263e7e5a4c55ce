"""MIMIC-5x200: BenchX's list of 1,000 images of MIMIC-CXR with their reports, 200 of each of five findings.

The list lies in BenchX's repository, ``datasets/MIMIC_5x200/mimic_5x200_ids.csv``. Only ids are read off it: an image's finding
comes from the label table, its text from its report. What is listed but does not fit is left out and told.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from medbench.errors import MissingDataError
from medbench.samples import Problem
from medbench_datasets.chexpert_splits import COMPETITION
from medbench_datasets.tables import SURPLUS, read_csv

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from medbench.samples import Sample
    from medbench_datasets.tables import TableRow

FILE = "mimic_5x200_ids.csv"
SPLIT = "5x200"
FINDINGS = COMPETITION
EACH = 200
IMAGE_COLUMNS = ("dicom_id", "image_id")
STUDY_COLUMN = "study_id"


class _Refused(NamedTuple):
    """Why a listed row cannot be used: a problem's kind, and a sentence of many such rows."""

    kind: str
    why: str


_BAD_ROW = _Refused("bad-row", SURPLUS)
_UNKNOWN = _Refused("unlisted-image", "the tables of MIMIC-CXR have no usable row of it")
_NOT_ONE_FRONTAL = _Refused("no-frontal", "the study has no usable frontal image, or several")
_REPEATED = _Refused("duplicate-row", "the image is listed before")
_NO_REPORT = _Refused(
    "missing-report",
    "no report was found for it (neither R2Gen's nor a report file with findings or an impression)",
)
_NO_CLASS = _Refused("no-class", "none of the five findings is positive, or several are")


def read_list(path: Path, samples: Sequence[Sample], frontal: Collection[str], problems: list[Problem]) -> list[str]:
    """The ids of the listed samples, in the order of the list; ``frontal`` are the names of frontal views.

    A row names an image in a column ``dicom_id`` or ``image_id`` (an id, or a path that ends in one), or else a study in
    ``study_id``, which then stands for its one frontal image; upper and lower case are one in these names, and other columns
    are passed over. Rows that cannot be used are left out and told, one problem a reason; other numbers than 200 a finding are
    told too. Raises `MissingDataError` where the file is no CSV text or has none of these columns.
    """
    rows = read_csv(path, ())
    finder = _Finder.of(path, rows, samples, frontal)
    chosen: dict[str, Sample] = {}
    refused: dict[_Refused, list[int]] = {}
    for row in rows:
        found = finder.find(row)
        if not isinstance(found, _Refused):
            found = _complaint(found, chosen) or found
        if isinstance(found, _Refused):
            refused.setdefault(found, []).append(row.line)
        else:
            chosen[found.sample_id] = found
    problems += [_problem(path.name, reason, lines) for reason, lines in refused.items()]
    problems += _counted(path.name, chosen.values())
    return list(chosen)


class _Finder(NamedTuple):
    """How a row's sample is found: the column to read, and samples by what stands in it."""

    column: str
    samples: Mapping[str, Sequence[Sample]]

    @classmethod
    def of(cls, path: Path, rows: Sequence[TableRow], samples: Sequence[Sample], frontal: Collection[str]) -> _Finder:
        """Raises `MissingDataError` where there are rows but no column of ids."""
        columns = {name.casefold(): name for name in (rows[0].cells if rows else IMAGE_COLUMNS)}
        image = next((columns[name] for name in IMAGE_COLUMNS if name in columns), None)
        if image is not None:
            return cls(image, {sample.sample_id: (sample,) for sample in samples})
        if STUDY_COLUMN not in columns:
            raise MissingDataError(
                f"{path} has none of the columns {', '.join((*IMAGE_COLUMNS, STUDY_COLUMN))};"
                f" it has {', '.join(columns.values())}",
                fix="name the column of the images' ids dicom_id, or remove the file",
            )
        studies: dict[str, list[Sample]] = {}
        for sample in samples:
            if sample.attributes.get("view") in frontal:
                studies.setdefault(_study_of(sample), []).append(sample)
        return cls(columns[STUDY_COLUMN], studies)

    def find(self, row: TableRow) -> Sample | _Refused:
        """The sample that a row is of."""
        if row.surplus:
            return _BAD_ROW
        found = self.samples.get(_id_of(row.cells[self.column]), ())
        if len(found) == 1:
            return found[0]
        return _NOT_ONE_FRONTAL if self.column.casefold() == STUDY_COLUMN else _UNKNOWN


def finding_of(sample: Sample) -> str | None:
    """The one of the five findings that is positive; None where none is, or several are."""
    positive = [name for name in FINDINGS if sample.labels.get(name) == 1]
    return positive[0] if len(positive) == 1 else None


def _complaint(sample: Sample, chosen: Mapping[str, Sample]) -> _Refused | None:
    if sample.sample_id in chosen:
        return _REPEATED
    if not sample.texts:
        return _NO_REPORT
    return _NO_CLASS if finding_of(sample) is None else None


def _study_of(sample: Sample) -> str:
    """The study's number, off the image's path ``.../s50414267/<dicom_id>.jpg``."""
    return PurePosixPath(sample.image).parent.name.removeprefix("s")


def _id_of(cell: str) -> str:
    """An id, an id with the ``s`` of a study's folder, or the last part of a path without its ending."""
    name = PurePosixPath(cell.replace("\\", "/")).stem
    return name[1:] if name[:1] == "s" and name[1:].isdigit() else name


def _problem(file: str, reason: _Refused, lines: Sequence[int]) -> Problem:
    what = "1 row is" if len(lines) == 1 else f"{len(lines):,} rows are"
    return Problem(reason.kind, f"{file}:{lines[0]}", f"{reason.why}; {what} left out")


def _counted(file: str, samples: Iterable[Sample]) -> list[Problem]:
    counts = dict.fromkeys(FINDINGS, 0)
    for sample in samples:
        finding = finding_of(sample)
        if finding is not None:
            counts[finding] += 1
    if set(counts.values()) == {EACH}:
        return []
    told = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    return [Problem("count", file, f"{told}; published {EACH} each")]
