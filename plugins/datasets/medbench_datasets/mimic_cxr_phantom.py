"""A generated stand-in for MIMIC-CXR-JPG in the official raw form: packed tables, labels by study, laterals beside frontals.

Reports of MIMIC-CXR, R2Gen's annotation file and BenchX's list of MIMIC-5x200 lie beside them.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from medbench.samples import UNCERTAIN
from medbench_datasets import mimic_cxr, mimic_cxr_5x200, phantom_reports, r2gen
from medbench_datasets.cells import write_label
from medbench_datasets.chest_findings import draw_visits
from medbench_datasets.chexpert_splits import COMPETITION
from medbench_datasets.mimic_cxr_patients import PATIENT_COLUMNS, PATIENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.samples import PhantomSize
    from medbench_datasets.chest_findings import Visit

METADATA_HEADER = (
    "dicom_id",
    "subject_id",
    "study_id",
    "PerformedProcedureStepDescription",
    "ViewPosition",
    "Rows",
    "Columns",
    "StudyDate",
    "StudyTime",
    "ProcedureCodeSequence_CodeMeaning",
    "ViewCodeSequence_CodeMeaning",
    "PatientOrientationCodeSequence_CodeMeaning",
)
LIST_HEADER = ("dicom_id", "subject_id", "study_id")
"""Our choice: how the public list is headed is not known here, and the reader looks for a column of ids by name."""

_NO_FINDING = "No Finding"
_RARE = tuple(name for name in mimic_cxr.LABELS if name not in {*COMPETITION, _NO_FINDING})
_PARTS = ("train", "test", "validate", "train", "train", "test", "train", "train")
_FIRST_SUBJECT, _FIRST_STUDY, _YEAR = 10_000_001, 50_000_001, 2150
_LATERAL_SHARE, _DOUBTED_SHARE, _BLANK_SHARE = 0.25, 0.05, 0.5
_R2GEN_PARTS = {"train": "train", "validate": "val", "test": "test"}
_NO_FINDINGS_EVERY, _NO_HEADING_EVERY = 8, 12
_TITLE = " " * 33 + "FINAL REPORT\n EXAMINATION:  CHEST RADIOGRAPH\n \n INDICATION:  ___ with cough.\n"


class Report(NamedTuple):
    """A study's report as it is filed; the sections on one line, '' where it has none."""

    text: str
    findings: str
    impression: str


class Case(NamedTuple):
    """One image, (side, side) uint8, of a study of its own; ``labels`` holds the known ones."""

    dicom_id: str
    subject: int
    study: int
    part: str
    view: str
    sex: str
    age: int
    date: str
    findings: frozenset[str]
    labels: Mapping[str, int]
    report: Report
    pixels: NDArray[np.uint8]


def draw_cases(size: PhantomSize) -> Iterator[Case]:
    """``size.images`` images; parts go by subject, as officially; same size, same cases."""
    rng = np.random.default_rng(size.seed)
    words = np.random.default_rng((size.seed, 1))  # apart, so that images stay the same whatever the wording
    for index, visit in enumerate(draw_visits(size, rng, common=COMPETITION, rare=_RARE)):
        lateral = bool(rng.random() < _LATERAL_SHARE) and visit.number > 0
        labels = {name: _mined(name in visit.boxes, rng) for name in mimic_cxr.LABELS}
        labels[_NO_FINDING] = None if visit.boxes else 1
        yield Case(
            dicom_id="-".join(rng.bytes(4).hex() for _ in range(5)),
            subject=_FIRST_SUBJECT + visit.patient,
            study=_FIRST_STUDY + index,
            part=_PARTS[visit.patient % len(_PARTS)],
            view="LATERAL" if lateral else visit.view,
            sex=visit.person.attributes["sex"],
            age=int(visit.person.attributes["age"]),
            date=f"{_YEAR + visit.number}0101",
            findings=frozenset(visit.boxes),
            labels={name: value for name, value in labels.items() if value is not None},
            report=_report(index, visit, size.side, words),
            pixels=visit.pixels,
        )


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write the release's three tables, MIMIC-IV's of patients, the JPEG images, reports and both lists; same bytes.

    The list of MIMIC-5x200 holds all frontal images that qualify, up to 200 a finding; it has the
    columns of the public list, `LIST_HEADER`, and what stands in place of its paths and reports.
    """
    records: dict[str, list[dict[str, object]]] = {part: [] for part in r2gen.PARTS}
    metadata: list[list[object]] = []
    split: list[list[object]] = []
    labels: list[list[object]] = []
    patients: dict[int, list[object]] = {}
    five: dict[str, list[list[object]]] = {name: [] for name in mimic_cxr_5x200.FINDINGS}
    for case in draw_cases(size):
        subject = str(case.subject)
        path = root / mimic_cxr.IMAGES / f"p{subject[:2]}" / f"p{subject}" / f"s{case.study}" / f"{case.dicom_id}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(case.pixels).save(path, quality=95)
        path.parent.with_suffix(".txt").write_text(case.report.text, encoding="utf-8")
        if case.report.findings:
            image = path.relative_to(root / mimic_cxr.IMAGES).as_posix()
            record = {"id": case.dicom_id, "study_id": case.study, "subject_id": case.subject}
            records[_R2GEN_PARTS[case.part]].append(
                {**record, "report": case.report.findings, "image_path": [image], "split": _R2GEN_PARTS[case.part]}
            )
        shape = [size.side, size.side]
        metadata.append([case.dicom_id, subject, case.study, "", case.view, *shape, case.date, "80000.000", "", "", ""])
        split.append([case.dicom_id, case.study, subject, case.part])
        labels.append([subject, case.study, *(write_label(case.labels.get(name)) for name in mimic_cxr.LABELS)])
        patients[case.subject] = [subject, case.sex, case.age, _YEAR]
        if listed_as := _listed_as(case):
            five[listed_as].append([case.dicom_id, subject, case.study])
    _write(root / f"{mimic_cxr.METADATA}.csv.gz", METADATA_HEADER, metadata)
    _write(root / f"{mimic_cxr.SPLIT}.csv.gz", mimic_cxr.SPLIT_COLUMNS, split)
    _write(root / f"{mimic_cxr.CHEXPERT}.csv.gz", ("subject_id", "study_id", *mimic_cxr.LABELS), labels)
    _write(root / f"{PATIENTS}.csv.gz", PATIENT_COLUMNS, list(patients.values()))
    (root / r2gen.ANNOTATION).write_text(json.dumps(records), encoding="utf-8")
    listed = [row for rows in five.values() for row in rows[: mimic_cxr_5x200.EACH]]
    (root / mimic_cxr_5x200.FILE).write_text(_csv(LIST_HEADER, listed), encoding="utf-8", newline="")


def _listed_as(case: Case) -> str | None:
    """The finding that a case stands for in MIMIC-5x200; None where it is not in it."""
    positive = [name for name in mimic_cxr_5x200.FINDINGS if case.labels.get(name) == 1]
    has_text = case.report.findings or case.report.impression
    return positive[0] if len(positive) == 1 and has_text and case.view in mimic_cxr.FRONTAL else None


def _report(index: int, visit: Visit, side: int, rng: np.random.Generator) -> Report:
    """The report of a visit: mostly both sections, at times an impression alone, at times a paragraph without headings."""
    drawn = [phantom_reports.locate(name.lower(), box, side) for name, box in visit.boxes.items()]
    findings, impression = phantom_reports.findings_text(drawn, rng), phantom_reports.impression_text(drawn, rng)
    if index % _NO_HEADING_EVERY == _NO_HEADING_EVERY - 1:
        return Report(f"{_TITLE} \n {findings}\n", "", "")
    if index % _NO_FINDINGS_EVERY == _NO_FINDINGS_EVERY - 1:
        return Report(f"{_TITLE} \n IMPRESSION:  {impression}\n", "", impression)
    filed = findings.replace(". ", ".\n ")
    return Report(f"{_TITLE} \n FINDINGS:  {filed}\n \n IMPRESSION:  {impression}\n", findings, impression)


def _mined(present: bool, rng: np.random.Generator) -> int | None:
    doubt, mention = rng.random(2)
    if doubt < _DOUBTED_SHARE:
        return UNCERTAIN
    if present:
        return 1
    return None if mention < _BLANK_SHARE else 0


def _write(path: Path, header: tuple[str, ...], rows: list[list[object]]) -> None:
    path.write_bytes(gzip.compress(_csv(header, rows).encode(), mtime=0))


def _csv(header: tuple[str, ...], rows: list[list[object]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    return text.getvalue()
