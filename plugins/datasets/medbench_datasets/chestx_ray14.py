"""NIH ChestX-ray14 (Wang et al., 2017): 112,120 frontal radiographs with 14 findings mined from reports, 984 boxes.

The root holds the label table, the images at any depth (``images_001/images/*.png`` or ``images/*.png``), and mostly the
official lists of training and test images and the table of boxes.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from medbench.errors import MissingDataError
from medbench.samples import Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets.cells import age_of, sex_of
from medbench_datasets.chestx_ray14_boxes import BOX_COLUMNS, BOX_NAMES, BOXES_FILE, read_box_list
from medbench_datasets.chestx_ray14_images import IMAGES, find_images
from medbench_datasets.disjoint import keep_patients_apart
from medbench_datasets.seen_names import Complaint, SeenNames, usable_rows
from medbench_datasets.splits import divide, draw_valid, members_of
from medbench_datasets.tables import SURPLUS, TableRow, find_table, is_file_name, read_csv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from medbench.samples import Box

LABEL_FILES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
TRAIN_LIST, TEST_LIST = "train_val_list.txt", "test_list.txt"
COLUMNS = ("Image Index", "Finding Labels", "Patient ID", "Patient Age", "Patient Gender", "View Position")
LABELS = (
    *BOX_NAMES,
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
)
NO_FINDING = "No Finding"
COUNT = 112_120
OFFICIAL_VALID_SHARE = 0.1
VALID_SHARE, TEST_SHARE = 0.1, 0.2

SPEC = DatasetSpec(
    id="chestx-ray14",
    title="NIH ChestX-ray14",
    modality="chest X-ray",
    access="open",
    licence="no restrictions on use; name the NIH Clinical Center as provider and cite Wang et al., 2017",
    url="https://nihcc.app.box.com/v/ChestXray-NIHCC",
    files=(
        ExpectedFile(
            path="Data_Entry_2017*.csv*", purpose=f"labels: {LABEL_FILES[0]}, or else {LABEL_FILES[1]}; may be .gz"
        ),
        ExpectedFile(
            path=f"**/{IMAGES}*",
            purpose="PNG images: images/*.png, images_001/images/*.png, or either deeper, as under CXR8",
            kind="folder",
        ),
        ExpectedFile(
            path=TRAIN_LIST, purpose="image names for training, one a line; for split 'official'", required=False
        ),
        ExpectedFile(
            path=TEST_LIST, purpose="image names for testing, one a line; for split 'official'", required=False
        ),
        ExpectedFile(
            path=f"{BOXES_FILE}*", purpose=f"984 boxes; columns {', '.join(BOX_COLUMNS)}; may be .gz", required=False
        ),
    ),
    supervision=frozenset({"labels", "boxes"}),
    label_names=LABELS,
    box_names=BOX_NAMES,
    splits=(
        SplitSpec(
            name="official",
            rule=(
                f"test = {TEST_LIST}; sorted patients of {TRAIN_LIST}, train_test_split(test_size=0.1, random_state=0): the "
                "held-out tenth is valid. Without the two lists there is no such split"
            ),
            source="test as published with the data; they name no validation part",
            sizes={"test": 25_596},
        ),
        SplitSpec(
            name="patient",
            rule=(
                "sorted patients; train_test_split with random_state 0: 20 % test, then an eighth of the rest valid (70/10/20)"
            ),
            source="medbench, in the proportions of BenchX (arXiv 2410.21969), whose own lists are other ones",
        ),
    ),
    reader="medbench_datasets.chestx_ray14:read",
    phantom="medbench_datasets.chestx_ray14_phantom:write_phantom",
    citation=(
        "Wang et al., ChestX-ray8: Hospital-scale Chest X-ray Database and Benchmarks on Weakly-Supervised Classification and "
        "Localization of Common Thorax Diseases, CVPR, 2017"
    ),
    tags=("chest-xray", "classification", "grounding"),
)


def read(root: Path) -> RawDataset:
    """One sample a row of the label table, in its order; the id is the image's file name.

    ``boxes`` is None on images that were not annotated with boxes, which does not mean that they show nothing. Malformed
    rows are reported and left out. Raises `MissingDataError` where the label table or one of the two lists alone is absent,
    or a table lacks a column.
    """
    problems: list[Problem] = []
    table = _label_file(root)
    seen = SeenNames()
    listed = read_csv(table, COLUMNS)
    rows = usable_rows(table.name, listed, _complaint, lambda row: row.cells["Image Index"].lower(), seen, problems)
    lists = _read_lists(root)
    paths = find_images(root, problems, fix=f"put the images under {IMAGES}, from {SPEC.url}")
    images = {row.cells["Image Index"]: paths.get(row.cells["Image Index"].lower(), _usual_path(row)) for row in rows}
    boxes = read_box_list(root, images, problems)
    samples = tuple(_sample(row, images, boxes) for row in rows)
    if len(rows) != COUNT:
        problems.append(Problem("count", table.name, f"{len(rows):,} images, officially {COUNT:,}"))
    patient_of = {sample.sample_id: sample.patient_id for sample in samples}
    patients = divide(sorted(set(patient_of.values())), valid=VALID_SHARE, test=TEST_SHARE)
    splits = {"patient": members_of(patients, patient_of)}
    if lists is not None:
        splits = {"official": _official(lists, patient_of, problems), **splits}
    return RawDataset(samples=samples, splits=splits, problems=tuple(problems), listed=len(listed) - seen.repeats)


def _label_file(root: Path) -> Path:
    for name in LABEL_FILES:
        path = find_table(root, name.removesuffix(".csv"))
        if path is not None:
            return path
    raise MissingDataError(
        f"{root} has neither {' nor '.join(LABEL_FILES)}, packed or not", fix=f"download one from {SPEC.url}"
    )


def _complaint(row: TableRow) -> Complaint | None:
    cells = row.cells
    name, findings = cells["Image Index"], cells["Finding Labels"].split("|")
    unknown = [one for one in findings if one not in LABELS and one != NO_FINDING]
    if row.surplus:
        return Complaint("bad-row", SURPLUS)
    if not is_file_name(name) or not name.lower().endswith(".png"):
        return Complaint("bad-row", f"Image Index {name!r} cannot name a PNG image")
    if not (cells["Patient ID"].isascii() and cells["Patient ID"].isdigit()):
        return Complaint("bad-row", f"Patient ID is {cells['Patient ID']!r}, not a number")
    if unknown:
        return Complaint("bad-row", f"Finding Labels holds {unknown[0]!r}")
    if NO_FINDING in findings and len(findings) > 1:
        return Complaint("bad-row", f"Finding Labels holds '{NO_FINDING}' and a finding")
    return None


def _sample(row: TableRow, images: Mapping[str, str], boxes: Mapping[str, tuple[Box, ...]]) -> Sample:
    name = row.cells["Image Index"]
    return Sample(
        sample_id=name,
        patient_id=row.cells["Patient ID"],
        image=images[name],
        labels=_labels(row),
        boxes=boxes.get(name),
        attributes=_attributes(row),
    )


def _labels(row: TableRow) -> dict[str, int]:
    findings = row.cells["Finding Labels"].split("|")
    return {name: int(name in findings) for name in LABELS}


def _attributes(row: TableRow) -> dict[str, str]:
    """Sex, age and view; the first release writes ages as ``058Y``, some of them beyond any life."""
    found = {
        "sex": sex_of(row.cells["Patient Gender"]),
        "age": age_of(row.cells["Patient Age"]),
        "view": row.cells["View Position"],
    }
    return {name: value for name, value in found.items() if value}


def _usual_path(row: TableRow) -> str:
    return f"{IMAGES}/{row.cells['Image Index']}"


def _read_lists(root: Path) -> dict[str, list[str]] | None:
    """Image names of the two official lists, each once; None where neither is there."""
    paths = {"train": root / TRAIN_LIST, "test": root / TEST_LIST}
    absent = [path.name for path in paths.values() if not path.is_file()]
    if len(absent) == len(paths):
        return None
    if absent:
        raise MissingDataError(f"{root} has one official list but not {absent[0]}", fix=f"get it from {SPEC.url}")
    try:
        texts = {part: path.read_text(encoding="utf-8-sig") for part, path in paths.items()}
    except UnicodeDecodeError as error:
        raise MissingDataError(f"a list of images in {root} is not text ({error})", fix="download it again") from error
    return {part: list(dict.fromkeys(text.split())) for part, text in texts.items()}


def _official(
    lists: Mapping[str, Sequence[str]], patient_of: Mapping[str, str], problems: list[Problem]
) -> dict[str, list[str]]:
    listed = {part: [name for name in names if name in patient_of] for part, names in lists.items()}
    for part, names in lists.items():
        unknown = [name for name in names if name not in patient_of]
        if unknown:
            file = TEST_LIST if part == "test" else TRAIN_LIST
            problems.append(
                Problem("unlisted-image", file, f"{len(unknown):,} names have no usable row, as {unknown[0]!r}")
            )
    unassigned = len(patient_of) - len(set(chain.from_iterable(listed.values())))
    if unassigned:
        problems.append(
            Problem("unlisted-image", TRAIN_LIST, f"{unassigned:,} images of the table are in neither list")
        )
    apart = keep_patients_apart(listed, patient_of, "split official", problems)
    train = {name: patient_of[name] for name in apart["train"]}
    drawn = members_of(draw_valid(sorted(set(train.values())), OFFICIAL_VALID_SHARE), train)
    return {**drawn, "test": apart["test"]}
