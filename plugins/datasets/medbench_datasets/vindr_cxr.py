"""VinDr-CXR (PhysioNet 1.0.0): 18,000 postero-anterior radiographs, 28 labels, and boxes of 22 local findings.

``image_labels_train.csv`` has a row for each of an image's three radiologists, ``image_labels_test.csv`` one of their
consensus. Images are ``train/<image_id>.dicom`` and ``test/<image_id>.dicom``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from medbench.errors import MissingDataError
from medbench.samples import UNCERTAIN, Box, Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets.cells import is_blank, read_label
from medbench_datasets.dicom import read_header
from medbench_datasets.splits import SEED, held_out_count
from medbench_datasets.tables import SURPLUS, TableRow, is_file_name, read_csv

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

ANNOTATIONS = "annotations"
LABELS_FILES = {
    "train": f"{ANNOTATIONS}/image_labels_train.csv",
    "test": f"{ANNOTATIONS}/image_labels_test.csv",
}
BOXES_FILE = f"{ANNOTATIONS}/annotations_test.csv"
BOX_COLUMNS = ("x_min", "y_min", "x_max", "y_max")
NO_FINDING = "No finding"
LOCAL = (
    "Aortic enlargement",
    "Atelectasis",
    "Calcification",
    "Cardiomegaly",
    "Clavicle fracture",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Enlarged PA",
    "ILD",
    "Infiltration",
    "Lung Opacity",
    "Lung cavity",
    "Lung cyst",
    "Mediastinal shift",
    "Nodule/Mass",
    "Pleural effusion",
    "Pleural thickening",
    "Pneumothorax",
    "Pulmonary fibrosis",
    "Rib fracture",
    "Other lesion",
)
GLOBAL = ("COPD", "Lung tumor", "Pneumonia", "Tuberculosis", "Other diseases", NO_FINDING)
LABELS = (*LOCAL, *GLOBAL)
ALIASES = {"Other diseases": "Other disease"}
"""The test file writes one column otherwise than the train file."""
IMAGES_IN_TRAIN = 15_000
VALID = 3_000

_NUMBER = re.compile(r"-?\d+(\.\d*)?([eE][-+]?\d{1,2})?\Z", re.ASCII)

SPEC = DatasetSpec(
    id="vindr-cxr",
    title="VinDr-CXR",
    modality="chest X-ray",
    access="credentialed",
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    url="https://physionet.org/content/vindr-cxr/1.0.0/",
    files=(
        ExpectedFile(path=LABELS_FILES["train"], purpose="28 labels by each of three radiologists"),
        ExpectedFile(path=LABELS_FILES["test"], purpose="28 labels by consensus"),
        ExpectedFile(path=BOXES_FILE, purpose="boxes by consensus; none are read without it", required=False),
        ExpectedFile(path="train", purpose="DICOMs <image_id>.dicom", kind="folder"),
        ExpectedFile(path="test", purpose="DICOMs <image_id>.dicom", kind="folder"),
    ),
    supervision=frozenset({"labels", "boxes"}),
    label_names=LABELS,
    box_names=LOCAL,
    splits=(
        SplitSpec(
            name="official",
            rule=(
                "test is the official test; of the sorted image ids of train, train_test_split(test_size=3000, "
                "random_state=0) draws valid, by image since no patients are published; the same share of another number"
            ),
            source="official test; 12,000 / 3,000 / 3,000 as in BenchX, whose list of the valid part is its own",
            sizes={"train": 12_000, "valid": 3_000, "test": 3_000},
        ),
    ),
    reader="medbench_datasets.vindr_cxr:read",
    pixel_side=1024,  # 2 to 8 million pixels an image; 1,024 is twice the largest input of an encoder here
    phantom="medbench_datasets.vindr_cxr_phantom:write_phantom",
    citation="Nguyen et al., VinDr-CXR: An open dataset of chest X-rays with radiologist's annotations, Scientific Data, 2022",
    tags=("chest-xray", "classification", "detection"),
)


def read(root: Path) -> RawDataset:
    """One sample an image, sorted by image id within train and then test; the image stands for its patient.

    A label holds where more than half of the readers who gave it say so; a tie, and a label that no reader gave, is
    unknown. Boxes are those of the test part, which are of a consensus; in train each of three radiologists drew his own,
    several of one finding, and they would be no single truth: there they are unknown (None). An image with a malformed row
    keeps its place in the draw and is left out. Raises `MissingDataError` where a label file is absent or lacks a column.
    """
    problems: list[Problem] = []
    named: set[str] = set()
    rows = {part: _rows_by_image(root, part, named, problems) for part in LABELS_FILES}
    for image in sorted(rows["train"].keys() & rows["test"].keys()):
        detail = f"image {image} is in both label files; it was kept for test alone"
        problems.append(Problem("duplicate-id", LABELS_FILES["train"], detail))
        del rows["train"][image]
    boxes = _boxes(root, rows["test"].keys(), problems)
    samples = []
    for part, images in rows.items():
        for image in sorted(images):
            labels = _labels(part, image, images[image], problems)
            if labels is not None:
                found = None if part == "train" or boxes is None else tuple(boxes.get(image, ()))
                samples.append(_sample(root, part, image, labels, found))
    splits = {"official": _split(rows, {sample.sample_id for sample in samples})}
    return RawDataset(samples=tuple(samples), splits=splits, problems=tuple(problems), listed=len(named))


def majority(votes: Sequence[int | None]) -> int | None:
    """1 or 0 where more than half of the votes given say so; None for a tie or without votes."""
    given = [vote for vote in votes if vote is not None]
    if 2 * sum(given) == len(given):
        return None
    return int(2 * sum(given) > len(given))


def _rows_by_image(root: Path, part: str, named: set[str], problems: list[Problem]) -> dict[str, list[TableRow]]:
    """Rows with the spec's label names as columns, grouped by image; a reader's second row is reported and passed over.

    Every image id of the file, be it usable or not, is added to ``named``.
    """
    file = LABELS_FILES[part]
    rows = read_csv(root / file, ("image_id",))
    columns = _columns(root / file, rows, part)
    groups: dict[str, list[TableRow]] = defaultdict(list)
    seen: set[tuple[str, str]] = set()
    for row in rows:
        image = row.cells["image_id"]
        named.add(image)
        reader = row.cells[columns["rad_id"]] if part == "train" else ""
        if not is_file_name(image):
            problems.append(
                Problem("bad-row", f"{file}:{row.line}", f"image_id {image!r} cannot name a file; passed over")
            )
        elif (image, reader) in seen:
            detail = f"a second row of image {image}{f' by {reader}' if reader else ''}; passed over"
            problems.append(Problem("duplicate-row", f"{file}:{row.line}", detail))
        else:
            seen.add((image, reader))
            groups[image].append(row._replace(cells={name: row.cells[columns[name]] for name in LABELS}))
    return groups


def _columns(path: Path, rows: Sequence[TableRow], part: str) -> dict[str, str]:
    """The file's own name of each column that is read; case is disregarded. Raises `MissingDataError` for an absent one."""
    if not rows:
        raise MissingDataError(f"{path} has no rows", fix="download the file again")
    there = {name.casefold(): name for name in rows[0].cells}
    wanted = (*(("rad_id",) if part == "train" else ()), *LABELS)
    found = {name: there.get(name.casefold()) or there.get(ALIASES.get(name, "").casefold()) for name in wanted}
    missing = [name for name, column in found.items() if column is None]
    if missing:
        raise MissingDataError(f"{path} has no column {', '.join(missing)}", fix="download the official file")
    return {name: column for name, column in found.items() if column is not None}


def _labels(part: str, image: str, rows: Sequence[TableRow], problems: list[Problem]) -> dict[str, int] | None:
    """The readers' majority by label, or None, reported, where a cell is neither 0, 1 nor blank."""
    votes: dict[str, list[int | None]] = {name: [] for name in LABELS}
    for row in rows:
        try:
            if row.surplus:
                raise ValueError(SURPLUS)
            for name in LABELS:
                votes[name].append(_vote(name, row.cells[name]))
        except ValueError as error:
            detail = f"{error}; image {image} left out"
            problems.append(Problem("bad-row", f"{LABELS_FILES[part]}:{row.line}", detail))
            return None
    settled = {name: majority(given) for name, given in votes.items()}
    return {name: label for name, label in settled.items() if label is not None}


def _vote(name: str, cell: str) -> int | None:
    """1, 0, or None for a blank. Raises `ValueError` on anything else: the radiologists had no way to be uncertain."""
    try:
        vote = read_label(cell)
    except ValueError:
        vote = UNCERTAIN
    if vote == UNCERTAIN:
        raise ValueError(f"{name} is {cell!r}, not 0 or 1")
    return vote


def _sample(root: Path, part: str, image: str, labels: Mapping[str, int], boxes: tuple[Box, ...] | None) -> Sample:
    path = f"{part}/{image}.dicom"
    header = read_header(root / path)
    return Sample(
        sample_id=image,
        patient_id=image,
        image=path,
        labels=labels,
        boxes=boxes,
        attributes=header.attributes if header else {},
    )


def _boxes(root: Path, images: Collection[str], problems: list[Problem]) -> dict[str, list[Box]] | None:
    """Boxes by test image; None without the file. The preparation of the data fits them to the images."""
    if not (root / BOXES_FILE).is_file():
        return None
    index = {name.casefold(): number for number, name in enumerate(LOCAL)}
    found: dict[str, list[Box]] = defaultdict(list)
    for row in read_csv(root / BOXES_FILE, ("image_id", "class_name", *BOX_COLUMNS)):
        image, name = row.cells["image_id"], row.cells["class_name"]
        corners = [row.cells[column] for column in BOX_COLUMNS]
        if not row.surplus and name.casefold() == NO_FINDING.casefold() and all(map(is_blank, corners)):
            continue
        complaint = (
            SURPLUS if row.surplus else _complaint(image in images, image, name, name.casefold() in index, corners)
        )
        if complaint is not None:
            problems.append(Problem("bad-row", f"{BOXES_FILE}:{row.line}", f"{complaint}; passed over"))
            continue
        left, top, right, bottom = map(float, corners)
        found[image].append(Box(index[name.casefold()], left, top, right - left, bottom - top))
    return found


def _complaint(listed: bool, image: str, name: str, known: bool, corners: Sequence[str]) -> str | None:
    """What is wrong with a row of a box."""
    if not listed:
        return f"image {image!r} is not in {LABELS_FILES['test']}"
    if not known:
        return f"class {name!r} is none of the {len(LOCAL)} local findings"
    if not all(_NUMBER.match(cell) for cell in corners):
        return "a corner of the box is not a number"
    return None


def _split(rows: Mapping[str, Mapping[str, object]], usable: set[str]) -> dict[str, list[str]]:
    from sklearn.model_selection import train_test_split

    listed = sorted(rows["train"])
    train, valid = listed, list[str]()
    if len(listed) > 2:  # two are held out at the least
        count = held_out_count(len(listed), IMAGES_IN_TRAIN, VALID)
        train, valid = train_test_split(listed, test_size=count, random_state=SEED)
    parts = {"train": train, "valid": valid, "test": sorted(rows["test"])}
    return {part: [image for image in ids if image in usable] for part, ids in parts.items()}
