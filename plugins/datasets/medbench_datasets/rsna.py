"""RSNA Pneumonia Detection Challenge (Kaggle 2018, stage 2): boxes around lung opacities on 26,684 radiographs.

One DICOM a patient under ``stage_2_train_images``, and one row a box in ``stage_2_train_labels.csv`` (one row without a
box for a patient with none). Splits are those of the MGCA release, and where its list lies in the root that of MeDSLIP.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from medbench.masks import box_mask
from medbench.samples import Box, Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets import rsna_medslip
from medbench_datasets.cells import is_blank
from medbench_datasets.dicom import Header, read_header
from medbench_datasets.geometry import fit_box
from medbench_datasets.rle import blank_mask
from medbench_datasets.splits import halve_held_out, held_out_count
from medbench_datasets.tables import SURPLUS, TableRow, is_file_name, read_csv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LABELS_FILE = "stage_2_train_labels.csv"
CLASSES_FILE = "stage_2_detailed_class_info.csv"
IMAGES = "stage_2_train_images"
BOX_COLUMNS = ("x", "y", "width", "height")
LABEL_COLUMNS = ("patientId", *BOX_COLUMNS, "Target")
CLASS_COLUMNS = ("patientId", "class")
POSITIVE_CLASS = "Lung Opacity"
LABEL = "Pneumonia"
SIDE = 1024
PATIENTS = 26_684
DETECTION_HELD_OUT = 10_674
CLASSIFICATION_HELD_OUT = 0.3
MEDSLIP = "medslip"

_NUMBER = re.compile(r"-?\d+(\.\d*)?([eE][-+]?\d{1,2})?\Z", re.ASCII)

SPEC = DatasetSpec(
    id="rsna",
    title="RSNA Pneumonia Detection Challenge",
    modality="chest X-ray",
    access="registration",
    licence="RSNA terms of use: any purpose, with attribution",
    url="https://www.kaggle.com/competitions/rsna-pneumonia-detection-challenge",
    files=(
        ExpectedFile(path=LABELS_FILE, purpose=f"boxes and labels; columns {', '.join(LABEL_COLUMNS)}"),
        ExpectedFile(path=IMAGES, purpose="one DICOM a patient, <patientId>.dcm", kind="folder"),
        ExpectedFile(path=CLASSES_FILE, purpose="finer classes, to cross-check the labels", required=False),
        ExpectedFile(
            path=rsna_medslip.FILE,
            purpose=f"the RSNA test list of the MeDSLIP release under this name, for split '{MEDSLIP}'",
            required=False,
        ),
    ),
    supervision=frozenset({"labels", "boxes", "masks"}),
    label_names=(LABEL,),
    box_names=("Lung Opacity",),
    splits=(
        SplitSpec(
            name="detection",
            rule=(
                "sorted patient ids; train_test_split(test_size=10674, random_state=0), the held-out part halved with "
                "random_state 0, first half test, second half valid; the same share on another number of patients"
            ),
            source="MGCA release, detection and segmentation",
            sizes={"train": 16_010, "valid": 5_337, "test": 5_337},
        ),
        SplitSpec(
            name="classification",
            rule=(
                "sorted patient ids; train_test_split(test_size=0.3, random_state=0), the held-out part halved with "
                "random_state 0, first half test, second half valid"
            ),
            source="MGCA release, classification",
            sizes={"train": 18_678, "valid": 4_003, "test": 4_003},
        ),
        SplitSpec(
            name=MEDSLIP,
            rule=f"test is the list {rsna_medslip.FILE} in its order; without it there is no such split",
            source="the list that MeDSLIP ships; the same as MedKLIP's",
            sizes={"test": 5_337},
        ),
    ),
    reader="medbench_datasets.rsna:read",
    images_from=("chestx-ray14",),
    phantom="medbench_datasets.rsna_phantom:write_phantom",
    citation=(
        "Shih et al., Augmenting the National Institutes of Health Chest Radiograph Dataset with Expert Annotations of "
        "Possible Pneumonia, Radiology: Artificial Intelligence, 2019"
    ),
    tags=("chest-xray", "detection", "segmentation", "classification"),
)


def read(root: Path) -> RawDataset:
    """One sample a patient, sorted by patient id.

    Boxes are in pixels of the image, and the mask is their union. A patient with an error in the annotation keeps its
    place in the division, so that the others stay where they were published, and is then left out. Where a DICOM header
    cannot be read, the official 1024 x 1024 pixels are taken. Raises `MissingDataError` where the label file is absent or
    lacks a column.
    """
    problems: list[Problem] = []
    listed = read_csv(root / LABELS_FILE, LABEL_COLUMNS)
    rows = _rows_by_patient(listed, problems)
    patients = sorted(rows)
    samples = []
    for patient in patients:
        boxes = _boxes_of(patient, rows[patient], problems)
        if boxes is not None:
            header = read_header(root / IMAGES / f"{patient}.dcm")
            sample = _sample(patient, boxes, header, problems)
            samples += [sample] if sample else []
    problems += _class_disagreements(root, samples)
    if len(patients) != PATIENTS:
        detail = (
            f"{len(patients):,} patients, officially {PATIENTS:,}: the splits are drawn by the same rule, in proportion"
        )
        problems.append(Problem("count", LABELS_FILE, detail))
    splits = _splits(patients, {sample.sample_id for sample in samples})
    label_of = {sample.sample_id: sample.labels[LABEL] for sample in samples}
    medslip = rsna_medslip.read_ids(root, label_of, rows, problems)
    if medslip is not None:
        splits = {**splits, MEDSLIP: {"test": medslip}}
    return RawDataset(
        samples=tuple(samples),
        splits=splits,
        problems=tuple(problems),
        listed=len({row.cells["patientId"] for row in listed}),
    )


def _rows_by_patient(rows: Sequence[TableRow], problems: list[Problem]) -> dict[str, list[TableRow]]:
    """Rows grouped by patient; rows without a usable id and exact repetitions are reported and passed over."""
    groups: dict[str, list[TableRow]] = defaultdict(list)
    for row in rows:
        where = f"{LABELS_FILE}:{row.line}"
        patient = row.cells["patientId"]
        if not is_file_name(patient):
            problems.append(Problem("bad-row", where, f"patientId {patient!r} cannot name a file"))
        elif any(row == other._replace(line=row.line) for other in groups[patient]):
            problems.append(Problem("duplicate-row", where, f"patient {patient} has this row twice"))
        else:
            groups[patient].append(row)
    return groups


def _boxes_of(patient: str, rows: Sequence[TableRow], problems: list[Problem]) -> list[Box] | None:
    """The patient's boxes as written, or None, reported, where the rows are malformed or contradict each other."""
    for row in rows:
        complaint = _complaint(row)
        if complaint is None and row.cells["Target"] != rows[0].cells["Target"]:
            complaint = "Target is 0 in one row and 1 in another"
        if complaint is not None:
            detail = f"{complaint}; patient {patient} left out"
            problems.append(Problem("bad-row", f"{LABELS_FILE}:{row.line}", detail))
            return None
    return [Box(0, *map(float, _box_cells(row))) for row in rows if row.cells["Target"] == "1"]


def _complaint(row: TableRow) -> str | None:
    """What is wrong within a row."""
    target = row.cells["Target"]
    given = [cell for cell in _box_cells(row) if not is_blank(cell)]
    if row.surplus:
        return SURPLUS
    if target not in {"0", "1"}:
        return f"Target is {target!r}, not 0 or 1"
    if target == "0" and given:
        return "Target is 0 but there is a box"
    if target == "1" and len(given) < len(BOX_COLUMNS):
        return "Target is 1 but the box is incomplete"
    if not all(_NUMBER.match(cell) for cell in given):
        return "a box coordinate is not a number"
    return None


def _box_cells(row: TableRow) -> list[str]:
    return [row.cells[name] for name in BOX_COLUMNS]


def _sample(
    patient: str,
    boxes: Sequence[Box],
    header: Header | None,
    problems: list[Problem],
) -> Sample | None:
    """The sample, with its boxes fitted to the image; None, reported, where a positive patient keeps none of them."""
    height, width = (header.height, header.width) if header else (SIDE, SIDE)
    fitted = [fit_box(box, height=height, width=width, where=patient) for box in boxes]
    problems += [one.problem for one in fitted if one.problem]
    kept = tuple(one.box for one in fitted if one.box is not None)
    if boxes and not kept:
        problems.append(Problem("bad-row", patient, "Target is 1 but no box is on the image; patient left out"))
        return None
    return Sample(
        sample_id=patient,
        patient_id=patient,
        image=f"{IMAGES}/{patient}.dcm",
        labels={LABEL: int(bool(boxes))},
        boxes=kept,
        mask=box_mask(kept, height, width) if kept else blank_mask(height, width),
        attributes=header.attributes if header else {},
    )


def _class_disagreements(root: Path, samples: Sequence[Sample]) -> list[Problem]:
    """Patients whose finer class, where that optional file is there, contradicts their label, and its malformed rows."""
    path = root / CLASSES_FILE
    if not path.is_file():
        return []
    rows = read_csv(path, CLASS_COLUMNS)
    classes = {row.cells["patientId"]: row.cells["class"] for row in rows if not row.surplus}
    return [
        *(Problem("bad-row", f"{CLASSES_FILE}:{row.line}", f"{SURPLUS}; passed over") for row in rows if row.surplus),
        *_contradictions(classes, samples),
    ]


def _contradictions(classes: Mapping[str, str], samples: Sequence[Sample]) -> list[Problem]:
    return [
        Problem(
            "label-disagreement",
            f"{CLASSES_FILE}: {sample.sample_id}",
            f"class '{classes[sample.sample_id]}' but Target {sample.labels[LABEL]}; the Target was kept",
        )
        for sample in samples
        if sample.sample_id in classes and (classes[sample.sample_id] == POSITIVE_CLASS) != bool(sample.labels[LABEL])
    ]


def _splits(patients: Sequence[str], usable: set[str]) -> Mapping[str, Mapping[str, list[str]]]:
    divided = {
        "detection": halve_held_out(patients, held_out_count(len(patients), PATIENTS, DETECTION_HELD_OUT)),
        "classification": halve_held_out(patients, CLASSIFICATION_HELD_OUT),
    }
    return {
        name: {part: [patient for patient in ids if patient in usable] for part, ids in parts.items()}
        for name, parts in divided.items()
    }
