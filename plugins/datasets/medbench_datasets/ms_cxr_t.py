"""MS-CXR-T, temporal image classification: how five findings changed between two radiographs of a MIMIC-CXR patient.

A row of the official CSV is a pair of images of MIMIC-CXR-JPG, which has to lie (or be linked) under ``files``. The data
are for testing only: there is no training part.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from medbench.samples import Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets.cells import is_blank
from medbench_datasets.names import IMAGE_SUFFIXES
from medbench_datasets.tables import SURPLUS, TableRow, read_csv

if TYPE_CHECKING:
    from pathlib import Path

LABELS_FILE = "MS_CXR_T_temporal_image_classification_v1.0.0.csv"
IMAGES = "files"
FINDINGS = {
    "consolidation_progression": "Consolidation",
    "edema_progression": "Edema",
    "pleural_effusion_progression": "Pleural effusion",
    "pneumonia_progression": "Pneumonia",
    "pneumothorax_progression": "Pneumothorax",
}
PROGRESSIONS = ("improving", "stable", "worsening")
COLUMNS = ("dicom_id", "previous_dicom_id", "subject_id", *FINDINGS)

SPEC = DatasetSpec(
    id="ms-cxr-t",
    title="MS-CXR-T, temporal image classification",
    modality="chest X-ray",
    access="credentialed",
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    url="https://physionet.org/content/ms-cxr-t/1.0.0/",
    files=(
        ExpectedFile(path=LABELS_FILE, purpose=f"a row a pair of images; columns {', '.join(COLUMNS)}"),
        ExpectedFile(
            path=IMAGES, purpose="the files folder of MIMIC-CXR-JPG, <dicom_id>.jpg (dicom_id is a path)", kind="folder"
        ),
    ),
    supervision=frozenset({"labels", "pairs"}),
    label_names=tuple(FINDINGS.values()),
    label_values=PROGRESSIONS,
    splits=(SplitSpec(name="all", rule="every pair is of the test part", source="MS-CXR-T is a test set"),),
    reader="medbench_datasets.ms_cxr_t:read",
    pixel_side=1024,  # 2 to 8 million pixels an image; 1,024 is twice the largest input of an encoder here
    images_from=("mimic-cxr",),
    phantom="medbench_datasets.ms_cxr_t_phantom:write_phantom",
    citation="Bannur et al., Learning to Exploit Temporal Structure for Biomedical Vision-Language Processing, CVPR 2023",
    tags=("chest-xray", "temporal"),
)


def read(root: Path) -> RawDataset:
    """One sample a pair, in the order of the rows, which the released protocol shuffles from; ``image`` is the later one.

    A sample's id is ``<previous_dicom_id>..<dicom_id>``, its patient the ``subject_id``. Rows of the same pair are merged;
    a finding on which they disagree, and one with a word that is no progression, is reported and left unknown (Med-ST's
    released script reads any other word as worsening). Raises `MissingDataError` where the CSV is absent or lacks a
    column.
    """
    problems: list[Problem] = []
    labels: dict[str, dict[str, int]] = {}
    pairs: dict[str, TableRow] = {}
    disputed: set[tuple[str, str]] = set()
    unusable = 0
    for row in read_csv(root / LABELS_FILE, COLUMNS):
        where = f"{LABELS_FILE}:{row.line}"
        complaint = _complaint(row)
        if complaint is not None:
            unusable += 1
            problems.append(Problem("bad-row", where, f"{complaint}; passed over"))
            continue
        pair = f"{row.cells['previous_dicom_id']}..{row.cells['dicom_id']}"
        if pairs.setdefault(pair, row).cells["subject_id"] != row.cells["subject_id"]:
            problems.append(Problem("bad-row", where, "the same pair has another subject_id before this; passed over"))
            continue
        known = labels.setdefault(pair, {})
        for finding, value in _labels(row, where, problems).items():
            if known.setdefault(finding, value) != value:
                problems.append(Problem("label-disagreement", where, f"{finding} differs in two rows of the pair"))
                disputed.add((pair, finding))
    for pair, finding in disputed:
        del labels[pair][finding]
    samples = tuple(_sample(pair, row, labels[pair]) for pair, row in pairs.items())
    splits = {"all": {"test": [sample.sample_id for sample in samples]}}
    return RawDataset(samples=samples, splits=splits, problems=tuple(problems), listed=len(samples) + unusable)


def _complaint(row: TableRow) -> str | None:
    """What is wrong with a row as a whole, or with its ids."""
    if row.surplus:
        return SURPLUS
    for column in ("dicom_id", "previous_dicom_id", "subject_id"):
        if not row.cells[column]:
            return f"no {column}"
    for column in ("dicom_id", "previous_dicom_id"):
        path = PurePosixPath(row.cells[column])
        if path.is_absolute() or ".." in path.parts:
            return f"the {column} '{path}' leaves the folder"
    if row.cells["dicom_id"] == row.cells["previous_dicom_id"]:
        return "the image is paired with itself"
    return None


def _labels(row: TableRow, where: str, problems: list[Problem]) -> dict[str, int]:
    """Findings with a progression, as indices into `PROGRESSIONS`; empty cells are unknown."""
    found = {}
    for column, finding in FINDINGS.items():
        word = row.cells[column].lower()
        if word in PROGRESSIONS:
            found[finding] = PROGRESSIONS.index(word)
        elif not is_blank(word):
            problems.append(Problem("bad-row", where, f"{column} {word[:30]!r} is no progression; left unknown"))
    return found


def _sample(pair: str, row: TableRow, labels: dict[str, int]) -> Sample:
    return Sample(
        sample_id=pair,
        patient_id=row.cells["subject_id"],
        image=_image(row.cells["dicom_id"]),
        previous=_image(row.cells["previous_dicom_id"]),
        labels=labels,
    )


def _image(dicom_id: str) -> str:
    """The image's path; an id that already ends like an image's name is taken as it is."""
    named = PurePosixPath(dicom_id).suffix.lower() in IMAGE_SUFFIXES
    return f"{IMAGES}/{dicom_id}" if named else f"{IMAGES}/{dicom_id}.jpg"
