"""The public covid-chestxray collection: radiographs with lung masks (V7 Labs), lung boxes (GeneralBlockchain) and notes.

A folder holds ``metadata.csv``, the images, and where there are any ``lung_masks/<image name>.png`` and
``lung_boxes.coco.json``. The root is one such folder, or holds several as direct sub-folders, which are read together.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from medbench.errors import MissingDataError
from medbench.images import ImageError
from medbench.samples import Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets.cells import age_of, sex_of
from medbench_datasets.coco_boxes import read_boxes
from medbench_datasets.folders import is_clutter
from medbench_datasets.names import IMAGE_SUFFIXES
from medbench_datasets.rasters import read_mask, read_size
from medbench_datasets.splits import divide, members_of
from medbench_datasets.tables import SURPLUS, TableRow, is_file_name, read_csv
from medbench_datasets.texts import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from medbench.samples import Box, Mask
    from medbench_datasets.coco_boxes import ImageBoxes
    from medbench_datasets.rasters import Size

METADATA_FILE = "metadata.csv"
BOXES_FILE = "lung_boxes.coco.json"
MASKS = "lung_masks"
IMAGES = "images"
LUNGS = ("Right Lung", "Left Lung")
LABEL = "COVID-19"
UNKNOWN_FINDINGS = frozenset({"", "todo", "unknown"})
XRAY = "x-ray"
VALID_SHARE, TEST_SHARE = 0.15, 0.25
DUPLICATE = "duplicate-id"
NOTES, NOTES_COLUMN = "notes", "clinical_notes"

SPEC = DatasetSpec(
    id="covid-cxr",
    title="COVID-19 Image Data Collection, lungs",
    modality="chest X-ray",
    access="open",
    licence="of each image, column 'license' of metadata.csv; lung masks and boxes CC BY 4.0",
    url="https://github.com/ieee8023/covid-chestxray-dataset",
    files=(
        ExpectedFile(
            path=METADATA_FILE,
            purpose=(
                "one row an image: patientid, finding, image or filename, maybe clinical_notes; here, or all of this in direct "
                "sub-folders"
            ),
            required=False,
        ),
        ExpectedFile(path=IMAGES, purpose="PNG and JPEG images", kind="folder", required=False),
        ExpectedFile(path=MASKS, purpose="lung masks, <image name>.png", kind="folder", required=False),
        ExpectedFile(path=BOXES_FILE, purpose=f"COCO boxes of {LUNGS[0]} and {LUNGS[1]}", required=False),
        ExpectedFile(path=f"*/{METADATA_FILE}", purpose="metadata of a sub-folder", required=False),
        ExpectedFile(path=f"*/{IMAGES}", purpose="images of a sub-folder", kind="folder", required=False),
        ExpectedFile(path=f"*/{MASKS}", purpose="lung masks of a sub-folder", kind="folder", required=False),
        ExpectedFile(path=f"*/{BOXES_FILE}", purpose="lung boxes of a sub-folder", required=False),
    ),
    supervision=frozenset({"labels", "boxes", "masks", "captions"}),
    label_names=(LABEL,),
    box_names=LUNGS,
    splits=(
        SplitSpec(
            name="patient",
            rule=(
                "sorted patients (part_group where given, else patientid); train_test_split with random_state 0: 25 % test, "
                "then 20 % of the rest valid (60/15/25)"
            ),
            source="medbench; the collection publishes none",
        ),
        SplitSpec(
            name=NOTES,
            rule="images with clinical notes; their patients divided by the rule of split 'patient'",
            source="medbench; the collection publishes none",
        ),
    ),
    reader="medbench_datasets.covid_cxr:read",
    phantom="medbench_datasets.covid_cxr_phantom:write_phantom",
    citation="Cohen et al., COVID-19 Image Data Collection: Prospective Predictions Are the Future, MELBA, 2020",
    tags=("chest-xray", "detection", "segmentation", "retrieval"),
)


class _Entry(NamedTuple):
    """An image of the metadata, and the folder it comes from; its id is its file name as yet.

    ``sample`` is None where the row cannot become one.
    """

    folder: str
    sample: Sample | None


def read(root: Path) -> RawDataset:
    """One sample an X-ray image, in the order of the metadata; ids are file names, with the folder before them where needed.

    ``boxes`` and ``mask`` are None where the collection has none for an image, or has one that does not fit it. A patient
    number means the same patient in every folder, since all are parts of one collection. ``texts`` is the case's clinical
    note, where there is one: several images of a patient may share it, and it may tell more than they show. Raises
    `MissingDataError` where there is no metadata, or it lacks a column, or the boxes are not COCO JSON.
    """
    problems: list[Problem] = []
    entries = [entry for folder in _folders(root) for entry in _read_folder(root, folder, problems)]
    samples = _with_unique_ids(entries)
    splits = {"patient": _split(samples), NOTES: _split([sample for sample in samples if sample.texts])}
    return RawDataset(samples=samples, splits=splits, problems=tuple(problems), listed=len(entries))


def _folders(root: Path) -> list[str]:
    """The folders that hold metadata, relative to the root ('' is the root itself)."""
    if (root / METADATA_FILE).is_file():
        return [""]
    folders = (path.parent.name for path in root.glob(f"*/{METADATA_FILE}"))
    found = sorted(name for name in folders if not is_clutter(name))
    if not found:
        raise MissingDataError(
            f"{root} has no {METADATA_FILE}, and none of its direct sub-folders has",
            fix=f"get the collection from {SPEC.url}",
        )
    return found


def _read_folder(root: Path, folder: str, problems: list[Problem]) -> list[_Entry]:
    base = root / folder
    prefix = f"{folder}/" if folder else ""
    boxes = read_boxes(base / BOXES_FILE, LUNGS, problems)
    entries: list[_Entry] = []
    seen: set[str] = set()
    for row in _radiographs(base / METADATA_FILE, prefix, problems):
        image = _image_of(row)
        patient = row.cells.get("part_group") or row.cells["patientid"]
        complaint = ("bad-row", SURPLUS) if row.surplus else _complaint(image, patient, seen)
        if complaint is not None:
            problems.append(
                Problem(complaint[0], f"{prefix}{METADATA_FILE}:{row.line}", f"{complaint[1]}; passed over")
            )
            entries += [] if complaint[0] == DUPLICATE else [_Entry(folder, None)]
            continue
        seen.add(image.name)
        where = f"{prefix}{image}"
        size = read_size(root / where)
        sample = Sample(
            sample_id=image.name,
            patient_id=patient,
            image=where,
            labels=_labels(row),
            boxes=_boxes_on(boxes.get(str(image), boxes.get(image.name)), size, where, problems),
            mask=_mask_on(base / MASKS / f"{image.name}.png", size, where, problems),
            attributes=_attributes(row),
            texts=(note,) if (note := one_line(row.cells.get(NOTES_COLUMN, ""))) else (),
        )
        entries.append(_Entry(folder, sample))
    return entries


def _radiographs(path: Path, prefix: str, problems: list[Problem]) -> list[TableRow]:
    """The rows whose ``modality``, where the column is there, is X-ray (the upstream collection holds CT slices too)."""
    rows = read_csv(path, ("patientid", "finding"))
    if rows and not {"image", "filename"} & rows[0].cells.keys():
        raise MissingDataError(
            f"{path} has neither a column 'image' nor 'filename'", fix="restore the official columns"
        )
    kept = [row for row in rows if row.cells.get("modality", XRAY).lower() == XRAY]
    if len(kept) < len(rows):
        detail = f"{len(rows) - len(kept)} rows of another modality than X-ray passed over"
        problems.append(Problem("out-of-scope", f"{prefix}{METADATA_FILE}", detail))
    return kept


def _image_of(row: TableRow) -> PurePosixPath:
    """Column ``image`` is a path; upstream gives ``filename`` in ``folder``."""
    if row.cells.get("image"):
        return PurePosixPath(row.cells["image"])
    return PurePosixPath(row.cells.get("folder") or IMAGES) / row.cells.get("filename", "")


def _complaint(image: PurePosixPath, patient: str, seen: set[str]) -> tuple[str, str] | None:
    """The kind of problem and what it is, where a row cannot become a sample."""
    if not patient:
        return "bad-row", "no patientid"
    if image.is_absolute() or ".." in image.parts:
        return "bad-row", f"the image path '{image}' leaves the folder"
    if image.suffix.lower() not in IMAGE_SUFFIXES:
        return "bad-row", f"'{image}' is no PNG or JPEG image"
    if not is_file_name(image.name):
        return "bad-row", f"'{image.name[:60]}...' cannot name a file"
    if image.name in seen:
        return DUPLICATE, f"a row before this one names '{image.name}' too"
    return None


def _labels(row: TableRow) -> dict[str, int]:
    """The finding as a label; none where it is blank or was left to do."""
    finding = (row.cells.get("finding_resolved") or row.cells["finding"]).lower()
    return {} if finding in UNKNOWN_FINDINGS else {LABEL: int(LABEL.lower() in finding)}


def _attributes(row: TableRow) -> dict[str, str]:
    found = {
        "sex": sex_of(row.cells.get("sex", "")),
        "age": age_of(row.cells.get("age", "")),
        "view": row.cells.get("view_resolved") or row.cells.get("view", ""),
    }
    return {name: value for name, value in found.items() if value}


def _boxes_on(
    annotated: ImageBoxes | None, size: Size | None, where: str, problems: list[Problem]
) -> tuple[Box, ...] | None:
    """The image's boxes; None where it has none, or where they were drawn at another size than the image's."""
    if annotated is None:
        return None
    if size is not None and annotated.size != size:
        detail = f"the image is {size} pixels but {BOXES_FILE} says {annotated.size}; its boxes were left out"
        problems.append(Problem("box-size", where, detail))
        return None
    return annotated.boxes


def _mask_on(path: Path, size: Size | None, where: str, problems: list[Problem]) -> Mask | None:
    """The image's mask; None where it has none, or one that cannot be read or is of another size."""
    if not path.is_file():
        return None
    mask = read_mask(path)
    if isinstance(mask, ImageError):
        problems.append(Problem("unreadable-mask", where, f"{mask}; its mask was left out"))
        return None
    if size is not None and (mask.height, mask.width) != size:
        detail = f"the image is {size} pixels but its mask {mask.width} x {mask.height}; its mask was left out"
        problems.append(Problem("mask-size", where, detail))
        return None
    return mask


def _with_unique_ids(entries: Sequence[_Entry]) -> tuple[Sample, ...]:
    """The samples; those whose file name occurs in several folders get the folder's name before it."""
    times = Counter(sample.sample_id for _, sample in entries if sample is not None)
    return tuple(
        replace(sample, sample_id=f"{folder}/{sample.sample_id}") if times[sample.sample_id] > 1 else sample
        for folder, sample in entries
        if sample is not None
    )


def _split(samples: Sequence[Sample]) -> Mapping[str, list[str]]:
    patient_of = {sample.sample_id: sample.patient_id for sample in samples}
    return members_of(divide(sorted(set(patient_of.values())), valid=VALID_SHARE, test=TEST_SHARE), patient_of)
