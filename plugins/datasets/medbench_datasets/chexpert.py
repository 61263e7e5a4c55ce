"""CheXpert (Stanford, 2019): 223,414 training radiographs with 14 labels read off reports, 234 read by radiologists.

The root holds ``train.csv``, ``valid.csv`` and the folders ``train`` and ``valid``. What the tables' paths have
before ``train`` or ``valid``, as ``CheXpert-v1.0-small/``, is dropped, so that all releases read alike. A blank label is
unknown and -1 is uncertain: what becomes of them is for a recipe to say. Splits hold frontal images alone.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from medbench.samples import Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets.cells import age_of, read_labels, sex_of
from medbench_datasets.chexpert_splits import COMPETITION, Entry, divide_tables
from medbench_datasets.names import IMAGE_SUFFIXES
from medbench_datasets.seen_names import Complaint, SeenNames
from medbench_datasets.tables import SURPLUS, TableRow, read_csv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TRAIN_FILE, VALID_FILE = "train.csv", "valid.csv"
FOLDERS = ("train", "valid")
LABELS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *LABELS)
OFFICIAL_ROWS = {TRAIN_FILE: 223_414, VALID_FILE: 234}
FRONTAL, LATERAL = "Frontal", "Lateral"

_PATIENT = re.compile(r"patient\d+\Z", re.ASCII)

SPEC = DatasetSpec(
    id="chexpert",
    title="CheXpert",
    modality="chest X-ray",
    access="registration",
    licence="Stanford University Dataset Research Use Agreement: non-commercial research, no redistribution",
    url="https://stanfordmlgroup.github.io/competitions/chexpert/",
    files=(
        ExpectedFile(
            path=TRAIN_FILE, purpose=f"one row a training image; columns {', '.join(COLUMNS[:5])} and 14 labels"
        ),
        ExpectedFile(path=VALID_FILE, purpose="the same of the images read by radiologists, which are the test part"),
        ExpectedFile(path="train", purpose="JPEG images, train/patient<number>/study<number>/*.jpg", kind="folder"),
        ExpectedFile(path="valid", purpose="JPEG images of valid.csv", kind="folder"),
    ),
    supervision=frozenset({"labels"}),
    label_names=LABELS,
    splits=(
        SplitSpec(
            name="patient",
            rule=(
                "frontal images; test = valid.csv; the 5x200 images removed from train.csv; sorted patients in the order of "
                "numpy's RandomState(0).permutation are valid until they have 5,000 images (a fifth of the images where that "
                "is less), the others train"
            ),
            source="medbench; test and 5x200 as in the MGCA release",
            sizes={"test": 202},
        ),
        SplitSpec(
            name="as-released",
            rule=(
                "test = frontal rows of valid.csv; the 5x200 rows removed from train.csv; valid = 5,000 of the remaining rows "
                "by numpy's RandomState(0).choice; these positions are then removed from train as if they were row labels, so "
                "that about 98 % of valid is in train too; frontal rows alone are kept last. Not fit for choosing anything"
            ),
            source="MGCA release, CheXpert preprocessing and loader",
            sizes={"test": 202},
            shares_patients=True,
        ),
        SplitSpec(
            name="5x200",
            rule=(
                f"of the frontal rows of train.csv, for each of {', '.join(COMPETITION)}: 200 where it alone is 1 and every "
                "other finding 0 or blank ('No Finding' may be anything), by pandas' sample(n=200, random_state=0); "
                "where one has fewer than 200, half as many of each as the scarcest has"
            ),
            source="MGCA release, CheXpert-5x200",
            sizes={"test": 1_000},
        ),
    ),
    reader="medbench_datasets.chexpert:read",
    pixel_side=1024,  # 2 to 8 million pixels an image; 1,024 is twice the largest input of an encoder here
    phantom="medbench_datasets.chexpert_phantom:write_phantom",
    citation=(
        "Irvin et al., CheXpert: A Large Chest Radiograph Dataset with Uncertainty Labels and Expert Comparison, AAAI, 2019"
    ),
    tags=("chest-xray", "classification"),
)


def read(root: Path) -> RawDataset:
    """One sample a row, train.csv first, in the tables' order; the id is the image's path below the root.

    A malformed row keeps its place in the division, so that the others stay where they were published, and is then left
    out. Raises `MissingDataError` where a table is absent or lacks a column.
    """
    problems: list[Problem] = []
    seen = SeenNames()
    train, valid = (_read_table(root / name, seen, problems) for name in (TRAIN_FILE, VALID_FILE))
    splits = divide_tables(train, valid, problems)
    samples = tuple(entry.sample for entry in (*train, *valid) if entry.sample is not None)
    listed = len(train) + len(valid) - seen.repeats
    return RawDataset(samples=samples, splits=splits, problems=tuple(problems), listed=listed)


def _read_table(path: Path, seen: SeenNames, problems: list[Problem]) -> list[Entry]:
    rows = read_csv(path, COLUMNS)
    entries = []
    for row in rows:
        frontal = row.cells["Frontal/Lateral"] == FRONTAL
        sample = _sample(row, seen)
        if isinstance(sample, Complaint):
            problems.append(Problem(sample.kind, f"{path.name}:{row.line}", f"{sample.detail}; passed over"))
            entries.append(Entry(None, frontal))
        else:
            entries.append(Entry(sample, frontal))
    official = OFFICIAL_ROWS[path.name]
    if len(rows) != official:
        detail = f"{len(rows):,} rows, officially {official:,}: the splits are drawn by the same rule, in proportion"
        problems.append(Problem("count", path.name, detail))
    return entries


def _sample(row: TableRow, seen: SeenNames) -> Sample | Complaint:
    cells = row.cells
    parts = PurePosixPath(cells["Path"].replace("\\", "/")).parts
    start = next((index for index, part in enumerate(parts) if part in FOLDERS), len(parts))
    name = "/".join(parts[start:])
    patient = next((part for part in parts[start:] if _PATIENT.match(part)), None)
    if row.surplus:
        return Complaint("bad-row", SURPLUS)
    if ".." in parts or "\0" in name:
        return Complaint("bad-row", f"Path {cells['Path']!r} leaves the folder")
    if not name.lower().endswith(tuple(IMAGE_SUFFIXES)) or patient is None:
        return Complaint("bad-row", f"Path {cells['Path']!r} is no image of a patient<number> in train or valid")
    if cells["Frontal/Lateral"] not in {FRONTAL, LATERAL}:
        return Complaint("bad-row", f"Frontal/Lateral is {cells['Frontal/Lateral']!r}")
    try:
        labels = read_labels(cells, LABELS)
    except ValueError as error:
        return Complaint("bad-row", str(error))
    return seen.take(name) or Sample(
        sample_id=name, patient_id=patient, image=name, labels=labels, attributes=_attributes(cells)
    )


def _attributes(cells: Mapping[str, str]) -> dict[str, str]:
    """Sex, age and view, as far as they are given; the projection of a lateral image is no matter."""
    found = {
        "sex": sex_of(cells["Sex"]),
        "age": age_of(cells["Age"]),
        "view": LATERAL if cells["Frontal/Lateral"] == LATERAL else cells["AP/PA"],
    }
    return {name: value for name, value in found.items() if value}
