"""SIIM-ACR Pneumothorax Segmentation (Kaggle 2019): pneumothorax masks on 12,047 radiographs.

Masks come as relative run-length text, one row a region, ``-1`` for none; DICOMs lie anywhere under the root, named by
their image id. Splits: by image in the published sizes, and the rows of the MGCA release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.errors import MissingDataError
from medbench.samples import Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets.dicom import Header, read_header
from medbench_datasets.folders import files_below
from medbench_datasets.rle import RleError, RleOverrunError, blank_mask, decode_rle, unite
from medbench_datasets.splits import halve_held_out, held_out_count
from medbench_datasets.tables import SURPLUS, TableRow, is_file_name, read_csv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from medbench.samples import Mask

STAGE_2_FILE = "stage_2_train.csv"
STAGE_1_FILE = "train-rle.csv"
IMAGES = "dicom-images-train"
IMAGE_FOLDERS = (IMAGES, "dicom-images-test", "stage_2_images")
COLUMNS = ("ImageId", "EncodedPixels")
NO_FINDING = "-1"
LABEL = "Pneumothorax"
SIDE = 1024
COUNT = 12_047
HELD_OUT = 3_614
ROWS_HELD_OUT = 0.3

SPEC = DatasetSpec(
    id="siim",
    title="SIIM-ACR Pneumothorax Segmentation",
    modality="chest X-ray",
    access="registration",
    licence="the rules of the Kaggle competition",
    url="https://www.kaggle.com/competitions/siim-acr-pneumothorax-segmentation",
    files=(
        ExpectedFile(
            path="*train*.csv",
            purpose=f"masks as relative run lengths: {STAGE_2_FILE} (all {COUNT:,} images), or else {STAGE_1_FILE} (stage 1)",
        ),
        ExpectedFile(
            path="*images*",
            purpose=f"DICOMs <ImageId>.dcm at any depth: {', '.join(IMAGE_FOLDERS)}, as far as the list needs them",
            kind="folder",
        ),
    ),
    supervision=frozenset({"labels", "masks"}),
    label_names=(LABEL,),
    splits=(
        SplitSpec(
            name="image",
            rule=(
                "sorted image ids; train_test_split(test_size=3614, random_state=0), the held-out part halved with "
                "random_state 0, first half test, second half valid; the same share on another number of images. (A share "
                "of 0.3 would be rounded to 8,432 / 1,808 / 1,807.)"
            ),
            source="70/15/15 by image, where the MGCA release divides rows; sizes as published (G2D, NeurIPS 2024, Table 6)",
            sizes={"train": 8_433, "valid": 1_807, "test": 1_807},
        ),
        SplitSpec(
            name="as-released-rows",
            rule=(
                "rows of the list in its order; train_test_split(test_size=0.3, random_state=0), the held-out part halved "
                "with random_state 0, first half test, second half valid. An image with several rows may be in several parts"
            ),
            source="MGCA release",
            shares_patients=True,
        ),
    ),
    reader="medbench_datasets.siim:read",
    images_from=("chestx-ray14",),
    phantom="medbench_datasets.siim_phantom:write_phantom",
    citation="Zawacki et al., SIIM-ACR Pneumothorax Segmentation, Kaggle, 2019",
    tags=("chest-xray", "segmentation"),
)


def read(root: Path) -> RawDataset:
    """One sample an image id, sorted; the mask is the union of its rows, at the size that its DICOM header gives.

    The patient is the header's PatientID. Where the header cannot be read, the image id stands for the patient and the
    official 1024 x 1024 pixels are taken. An image with a malformed or overrunning row keeps its place in the division and
    is then left out. Raises `MissingDataError` where there is no list, or it lacks a column, or there is no DICOM at all.
    """
    problems: list[Problem] = []
    table = _list_file(root)
    listed = read_csv(table, COLUMNS)
    rows = _usable_rows(table.name, listed, problems)
    paths = _dicoms(root, problems)
    texts: dict[str, list[TableRow]] = {}
    for row in rows:
        texts.setdefault(row.cells["ImageId"], []).append(row)
    samples = []
    for image_id in sorted(texts):
        path = paths.get(image_id, f"{IMAGES}/{image_id}.dcm")
        header = read_header(root / path)
        mask = _mask_of(table.name, texts[image_id], header, problems)
        samples += [_sample(image_id, path, header, mask)] if mask else []
    if len(texts) != COUNT:
        detail = f"{len(texts):,} images, officially {COUNT:,}: the splits are drawn by the same rule, in proportion"
        problems.append(Problem("count", table.name, detail))
    splits = _splits(rows, {sample.sample_id for sample in samples})
    named = {row.cells["ImageId"] for row in listed}
    return RawDataset(samples=tuple(samples), splits=splits, problems=tuple(problems), listed=len(named))


def _list_file(root: Path) -> Path:
    for name in (STAGE_2_FILE, STAGE_1_FILE):
        if (root / name).is_file():
            return root / name
    raise MissingDataError(f"{root} has neither {STAGE_2_FILE} nor {STAGE_1_FILE}", fix=f"download one from {SPEC.url}")


def _dicoms(root: Path, problems: list[Problem]) -> dict[str, str]:
    """Paths relative to the root by file stem; of several with one name the first in sorted order. Links are followed."""
    found: dict[str, str] = {}
    for path in files_below(root):
        stem, _, suffix = path.rpartition("/")[2].rpartition(".")
        if suffix.lower() != "dcm":
            continue
        if stem in found:
            problems.append(Problem("duplicate-image", path, f"the image is at {found[stem]} too, which was taken"))
        else:
            found[stem] = path
    if not found:
        raise MissingDataError(f"{root} holds no .dcm file", fix=f"put the DICOMs under {IMAGES}, from {SPEC.url}")
    return found


def _usable_rows(file: str, rows: Sequence[TableRow], problems: list[Problem]) -> list[TableRow]:
    """Rows with an image id; the others are reported and passed over."""
    problems += [
        Problem("bad-row", f"{file}:{row.line}", f"ImageId {row.cells['ImageId']!r} cannot name a file")
        for row in rows
        if not is_file_name(row.cells["ImageId"])
    ]
    return [row for row in rows if is_file_name(row.cells["ImageId"])]


def _mask_of(
    file: str,
    rows: Sequence[TableRow],
    header: Header | None,
    problems: list[Problem],
) -> Mask | None:
    """The union of an image's rows, or None, reported, where one is malformed or they contradict each other."""
    height, width = (header.height, header.width) if header else (SIDE, SIDE)
    masks = []
    for row in rows:
        text = row.cells["EncodedPixels"]
        if row.surplus:
            detail = f"{SURPLUS}; image {row.cells['ImageId']} left out"
            problems.append(Problem("bad-row", f"{file}:{row.line}", detail))
            return None
        if text == NO_FINDING:
            continue
        try:
            masks.append(decode_rle(text, height=height, width=width))
        except RleError as error:
            kind = "rle-overrun" if isinstance(error, RleOverrunError) else "bad-row"
            detail = f"EncodedPixels: {error}; image {row.cells['ImageId']} left out"
            problems.append(Problem(kind, f"{file}:{row.line}", detail))
            return None
    if masks and len(masks) < len(rows):
        detail = f"image {rows[0].cells['ImageId']} has both a mask and {NO_FINDING}; left out"
        problems.append(Problem("bad-row", f"{file}:{rows[0].line}", detail))
        return None
    return unite(masks) if masks else blank_mask(height, width)


def _sample(image_id: str, path: str, header: Header | None, mask: Mask) -> Sample:
    return Sample(
        sample_id=image_id,
        patient_id=(header.patient_id if header else "") or image_id,
        image=path,
        labels={LABEL: int(mask != blank_mask(mask.height, mask.width))},
        mask=mask,
        attributes=header.attributes if header else {},
    )


def _splits(rows: Sequence[TableRow], usable: set[str]) -> Mapping[str, Mapping[str, list[str]]]:
    listed = [row.cells["ImageId"] for row in rows]
    images = sorted(set(listed))
    divided = {
        "image": halve_held_out(images, held_out_count(len(images), COUNT, HELD_OUT)),
        "as-released-rows": halve_held_out(listed, ROWS_HELD_OUT),
    }
    return {
        name: {part: [image for image in dict.fromkeys(ids) if image in usable] for part, ids in parts.items()}
        for name, parts in divided.items()
    }
