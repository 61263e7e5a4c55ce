"""MIMIC-CXR-JPG (Johnson et al., 2019): radiographs with 14 labels read off each report.

The root holds the release's tables (``mimic-cxr-2.0.0-*.csv`` or ``.csv.gz``) and the images,
``files/p10/p10000032/s50414267/<dicom_id>.jpg``. Labels belong to a study, and are repeated on each of its images; a blank
is unknown and -1 uncertain. Laterals are samples too, but the official split holds frontal images alone. MIMIC-CXR's
reports may lie beside the images, and R2Gen's ``annotation.json`` and BenchX's list of MIMIC-5x200 in the root.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from medbench.errors import MissingDataError
from medbench.samples import Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets import mimic_cxr_5x200, r2gen
from medbench_datasets.cells import read_labels
from medbench_datasets.disjoint import keep_patients_apart
from medbench_datasets.mimic_cxr_patients import PATIENT_COLUMNS, PATIENTS, Patient, read_patients
from medbench_datasets.mimic_cxr_reports import HOMES, SECTIONS, Study, read_reports
from medbench_datasets.seen_names import Complaint, SeenNames, usable_rows
from medbench_datasets.tables import SURPLUS, find_table, is_file_name, read_csv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from medbench_datasets.tables import TableRow

METADATA, SPLIT, CHEXPERT = "mimic-cxr-2.0.0-metadata", "mimic-cxr-2.0.0-split", "mimic-cxr-2.0.0-chexpert"
IMAGES = "files"
LABELS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Fracture",
    "Lung Lesion",
    "Lung Opacity",
    "No Finding",
    "Pleural Effusion",
    "Pleural Other",
    "Pneumonia",
    "Pneumothorax",
    "Support Devices",
)
ANNOTATIONS = (r2gen.ANNOTATION, "mimic_annotation.json")
METADATA_COLUMNS = ("dicom_id", "subject_id", "study_id", "ViewPosition")
SPLIT_COLUMNS = ("dicom_id", "study_id", "subject_id", "split")
PARTS = {"train": "train", "validate": "valid", "test": "test"}
FRONTAL = frozenset({"PA", "AP"})
LATERAL = "Lateral"

_VIEWS = {"LATERAL": LATERAL, "LL": LATERAL}

SPEC = DatasetSpec(
    id="mimic-cxr",
    title="MIMIC-CXR-JPG",
    modality="chest X-ray",
    access="credentialed",
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    url="https://physionet.org/content/mimic-cxr-jpg/",
    files=(
        ExpectedFile(
            path=f"{METADATA}.csv*", purpose=f"one row an image; columns {', '.join(METADATA_COLUMNS)}; may be .gz"
        ),
        ExpectedFile(path=f"{SPLIT}.csv*", purpose="the official split of the images; may be .gz"),
        ExpectedFile(path=f"{CHEXPERT}.csv*", purpose="14 labels a study, by the CheXpert labeller; may be .gz"),
        ExpectedFile(path=IMAGES, purpose="JPEG images, p<10>/p<subject_id>/s<study_id>/<dicom_id>.jpg", kind="folder"),
        *(
            ExpectedFile(
                path=home,
                purpose=(
                    "MIMIC-CXR's reports, p<10>/p<subject_id>/s<study_id>.txt, in files/ or not; or they lie beside the images"
                ),
                kind="folder",
                required=False,
            )
            for home in HOMES
        ),
        ExpectedFile(path="*annotation.json", purpose="R2Gen's reports and split of MIMIC-CXR", required=False),
        ExpectedFile(
            path=mimic_cxr_5x200.FILE,
            purpose=(
                "BenchX's list of MIMIC-5x200, for split 5x200, which needs the reports too; from datasets/MIMIC_5x200/ of its"
                " repository"
            ),
            required=False,
        ),
        ExpectedFile(
            path=f"{PATIENTS}.csv*",
            purpose=f"MIMIC-IV's table of patients, for sex and age; columns {', '.join(PATIENT_COLUMNS)}; may be .gz",
            required=False,
        ),
    ),
    supervision=frozenset({"labels", "reports"}),
    label_names=LABELS,
    splits=(
        SplitSpec(
            name="official",
            rule="frontal images (ViewPosition PA or AP) of the released split: train, validate as valid, test",
            source="MIMIC-CXR-JPG 2.0.0",
        ),
        SplitSpec(
            name=r2gen.SPLIT,
            rule="R2Gen's annotation.json, every view; val as valid",
            source="R2Gen, Chen et al., EMNLP 2020",
            sizes={"train": 270790, "valid": 2130, "test": 3858},
        ),
        SplitSpec(
            name=mimic_cxr_5x200.SPLIT,
            rule=(
                "images with a report and one alone of CheXpert's five competition findings, 200 each, as BenchX lists them;"
                " needs the reports too"
            ),
            source=f"BenchX, arXiv 2410.21969: {mimic_cxr_5x200.FILE}, from datasets/MIMIC_5x200/ of its repository",
            sizes={"test": mimic_cxr_5x200.EACH * len(mimic_cxr_5x200.FINDINGS)},
        ),
    ),
    reader="medbench_datasets.mimic_cxr:read",
    pixel_side=1024,  # 2 to 8 million pixels an image; 1,024 is twice the largest input of an encoder here
    phantom="medbench_datasets.mimic_cxr_phantom:write_phantom",
    citation=(
        "Johnson et al., MIMIC-CXR-JPG, a large publicly available database of labeled chest radiographs, "
        "arXiv 1901.07042, 2019"
    ),
    tags=("chest-xray", "classification", "report-generation", "retrieval"),
)


def read(root: Path) -> RawDataset:
    """One sample a row of the metadata, in its order; the id is ``dicom_id``.

    A study that the label table does not name has no labels; one whose labels are malformed is left out, as is a malformed
    row. Sex and age come with MIMIC-IV's table of patients, where it lies in the root.

    ``texts`` is the report that R2Gen gives for the image (the findings), else the findings section of the study's report
    file, else its impression; it is empty where there is none of them. ``details`` hold those sections, or the last paragraph
    of a report that has neither (see `medbench_datasets.mimic_cxr_reports.sections_of`). Raises `MissingDataError` where one of
    the three tables is absent, damaged or lacks a column, where R2Gen's file is damaged or of other images altogether, or where
    BenchX's list is damaged or has no column of ids.
    """
    problems: list[Problem] = []
    metadata = _require(root, METADATA)
    listed, seen = read_csv(metadata, METADATA_COLUMNS), SeenNames()
    rows = usable_rows(metadata.name, listed, _complaint, lambda row: row.cells["dicom_id"], seen, problems)
    labels = _read_labels(_require(root, CHEXPERT), problems)
    patients = read_patients(root, problems)
    usable = [(row, known) for row in rows if (known := labels.get(_study(row), {})) is not None]
    reports = read_reports(root, (_study(row) for row, _ in usable), problems)
    annotation = next((root / name for name in ANNOTATIONS if (root / name).is_file()), None)
    studies = _annotated(annotation, problems) if annotation else {}
    samples = tuple(
        _sample(
            row,
            known,
            patients.get(row.cells["subject_id"]),
            reports.get(_study(row), {}),
            studies.get(row.cells["dicom_id"]),
        )
        for row, known in usable
    )
    splits = {"official": _official(_require(root, SPLIT), samples, problems)}
    if annotation and studies:
        splits[r2gen.SPLIT] = _r2gen(annotation, studies, samples, problems)
    listed_5x200 = root / mimic_cxr_5x200.FILE
    if listed_5x200.is_file():
        splits[mimic_cxr_5x200.SPLIT] = {"test": mimic_cxr_5x200.read_list(listed_5x200, samples, FRONTAL, problems)}
    return RawDataset(samples=samples, splits=splits, problems=tuple(problems), listed=len(listed) - seen.repeats)


def _require(root: Path, stem: str) -> Path:
    path = find_table(root, stem)
    if path is None:
        raise MissingDataError(f"{root} has neither {stem}.csv nor {stem}.csv.gz", fix=f"get it from {SPEC.url}")
    return path


def _study(row: TableRow) -> Study:
    return Study(row.cells["subject_id"], row.cells["study_id"])


def _complaint(row: TableRow) -> Complaint | None:
    cells = row.cells
    if row.surplus:
        return Complaint("bad-row", SURPLUS)
    if not is_file_name(cells["dicom_id"]):
        return Complaint("bad-row", f"dicom_id {cells['dicom_id']!r} cannot name a file")
    if not all(cell.isascii() and cell.isdigit() for cell in _study(row)):
        detail = f"subject_id {cells['subject_id']!r} or study_id {cells['study_id']!r} is no number"
        return Complaint("bad-row", detail)
    return None


def _read_labels(path: Path, problems: list[Problem]) -> dict[Study, dict[str, int] | None]:
    """Labels by study; None, reported, where they are malformed or given twice and differ."""
    labels: dict[Study, dict[str, int] | None] = {}
    for row in read_csv(path, ("subject_id", "study_id", *LABELS)):
        where, study = f"{path.name}:{row.line}", _study(row)
        try:
            if row.surplus:
                raise ValueError(SURPLUS)
            found = read_labels(row.cells, LABELS)
        except ValueError as error:
            problems.append(Problem("bad-row", where, f"{error}; study {study.study} left out"))
            labels[study] = None
            continue
        if study in labels:
            fate = "the same labels" if labels[study] == found else "other labels; the study was left out"
            problems.append(
                Problem("duplicate-row", where, f"study {study.study} has a row before this one with {fate}")
            )
        labels[study] = found if labels.get(study, found) == found else None
    return labels


def _annotated(path: Path, problems: list[Problem]) -> dict[str, r2gen.Study]:
    """R2Gen's studies by the name of their first image, which is the ``dicom_id``; of two of one image the first."""
    studies: dict[str, r2gen.Study] = {}
    for study in r2gen.read_annotation(path, problems).studies:
        name = PurePosixPath(study.images[0]).stem
        first = studies.setdefault(name, study)
        if first is not study:
            detail = f"'{study.id}' of {study.part} has the image {name} of '{first.id}' of {first.part}; passed over"
            problems.append(Problem("duplicate-row", path.name, detail))
    return studies


def _sample(
    row: TableRow,
    labels: Mapping[str, int],
    patient: Patient | None,
    report: Mapping[str, str],
    annotated: r2gen.Study | None,
) -> Sample:
    """The one place where all that is known of an image comes together."""
    cells = row.cells
    text = annotated.report if annotated else next((report[name] for name in SECTIONS if name in report), "")
    subject, study = _study(row)
    view = _VIEWS.get(cells["ViewPosition"].upper(), cells["ViewPosition"].upper())
    known = patient.attributes(cells.get("StudyDate", "")) if patient else {}
    return Sample(
        sample_id=cells["dicom_id"],
        patient_id=subject,
        image=f"{IMAGES}/p{subject[:2]}/p{subject}/s{study}/{cells['dicom_id']}.jpg",
        labels=labels,
        attributes={**known, "view": view} if view else known,
        texts=(text,) if text else (),
        details=report,
    )


def _official(path: Path, samples: Sequence[Sample], problems: list[Problem]) -> dict[str, list[str]]:
    """Frontal images by part, in the order of the metadata."""
    part_of = _read_split(path, problems)
    patient_of = {sample.sample_id: sample.patient_id for sample in samples}
    for names, what in (
        (part_of.keys() - patient_of.keys(), "have no usable row in the other tables"),
        (patient_of.keys() - part_of.keys(), "of the metadata are in no part"),
    ):
        if names:
            problems.append(Problem("unlisted-image", path.name, f"{len(names):,} images {what}, as {min(names)}"))
    parts: dict[str, list[str]] = {part: [] for part in PARTS.values()}
    for sample in samples:
        if sample.attributes.get("view") in FRONTAL and sample.sample_id in part_of:
            parts[part_of[sample.sample_id]].append(sample.sample_id)
    return keep_patients_apart(parts, patient_of, "split official", problems)


def _r2gen(
    path: Path, studies: Mapping[str, r2gen.Study], samples: Sequence[Sample], problems: list[Problem]
) -> dict[str, list[str]]:
    """The images by R2Gen's part, in the order of its file, those without a usable row too: their part has lost them."""
    usable = {sample.sample_id for sample in samples}
    lost = [name for name in studies if name not in usable]
    if len(lost) == len(studies):
        raise MissingDataError(
            f"none of the {len(studies):,} images of {path} is in {METADATA}, as {lost[0]}",
            fix="put R2Gen's annotation of MIMIC-CXR there, or remove the file",
        )
    if lost:
        detail = f"{len(lost):,} of {len(studies):,} listed images have no usable row, as {lost[0]}"
        problems.append(Problem("unlisted-image", path.name, detail))
    parts: dict[str, list[str]] = {part: [] for part in r2gen.PARTS.values()}
    for name, study in studies.items():
        parts[study.part].append(name)
    return parts


def _read_split(path: Path, problems: list[Problem]) -> dict[str, str]:
    """The part of each image; malformed rows and contradictions are reported and passed over."""
    part_of: dict[str, str] = {}
    for row in read_csv(path, SPLIT_COLUMNS):
        where, name, part = f"{path.name}:{row.line}", row.cells["dicom_id"], PARTS.get(row.cells["split"])
        if row.surplus:
            problems.append(Problem("bad-row", where, f"{SURPLUS}; passed over"))
        elif part is None:
            problems.append(Problem("bad-row", where, f"split is {row.cells['split']!r}; passed over"))
        elif part_of.setdefault(name, part) != part:
            problems.append(Problem("duplicate-row", where, f"'{name}' is in {part_of[name]} already; passed over"))
    return part_of
