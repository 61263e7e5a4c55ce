"""Object-CXR (MIDL 2020 challenge): foreign objects, outlined on frontal chest X-rays.

``train.csv`` and ``dev.csv`` list 8,000 and 1,000 images with rectangles, ellipses and polygons; half of the images have
none. The challenge's test annotations are not distributed with them: the MGCA release tests on the dev part, and so does
this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from medbench.masks import encode_mask
from medbench.samples import Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets.cells import is_blank
from medbench_datasets.geometry import fit_box
from medbench_datasets.object_cxr_shapes import ShapeError, cover, parse, tight_box
from medbench_datasets.rasters import read_size
from medbench_datasets.rle import blank_mask
from medbench_datasets.splits import draw_valid
from medbench_datasets.tables import SURPLUS, TableRow, is_file_name, read_csv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from medbench_datasets.object_cxr_shapes import Shape

TRAIN_FILE, DEV_FILE = "train.csv", "dev.csv"
TRAIN_IMAGES, DEV_IMAGES = "train", "dev"
COLUMNS = ("image_name", "annotation")
LABEL = "Foreign object"
VALID_SHARE = 0.1

SPEC = DatasetSpec(
    id="object-cxr",
    title="Object-CXR, foreign objects on chest X-rays",
    modality="chest X-ray",
    access="open",
    licence="the challenge's terms: scientific research and non-commercial use",
    url="https://academictorrents.com/details/fdc91f11d7010f7259a05403fc9d00079a09f5d5",
    files=(
        ExpectedFile(path=TRAIN_FILE, purpose=f"objects of the training images; columns {', '.join(COLUMNS)}"),
        ExpectedFile(path=DEV_FILE, purpose="objects of the dev images, the test part here; the same columns"),
        ExpectedFile(path=TRAIN_IMAGES, purpose="the training images, <image_name>", kind="folder"),
        ExpectedFile(path=DEV_IMAGES, purpose="the dev images, <image_name>", kind="folder"),
    ),
    supervision=frozenset({"labels", "boxes", "masks"}),
    label_names=(LABEL,),
    box_names=(LABEL,),
    splits=(
        SplitSpec(
            name="mgca",
            rule=(
                "train.csv in its order; train_test_split(test_size=0.1, random_state=0) into train and valid; "
                "test is the official dev part"
            ),
            source="MGCA release, detection (the paper prints 6,400 / 1,600 / 1,000 instead)",
            sizes={"train": 7_200, "valid": 800, "test": 1_000},
        ),
    ),
    reader="medbench_datasets.object_cxr:read",
    phantom="medbench_datasets.object_cxr_phantom:write_phantom",
    citation="JF Healthcare, Object-CXR: Automatic detection of foreign objects on chest X-rays, MIDL challenge, 2020",
    tags=("chest-xray", "detection", "segmentation", "classification"),
)


class _Listed(NamedTuple):
    """One list: its image names in file order, the samples of those that could be read, and rows that name none."""

    names: list[str]
    samples: list[Sample]
    nameless: list[TableRow]


def read(root: Path) -> RawDataset:
    """One sample an image, the training list before the dev list; an image's name is its id and its patient's.

    Boxes are the tight bounds of the objects. The MGCA release gives polygons a looser box, which is
    `medbench_datasets.object_cxr_shapes.released_box`; truth here is one for every task. The mask is the union of the
    filled objects. An image with a malformed object keeps its place in the division and is then left out. Raises
    `MissingDataError` where a list is absent or lacks a column.
    """
    problems: list[Problem] = []
    train = _read_list(root, TRAIN_FILE, TRAIN_IMAGES, set(), problems)
    dev = _read_list(root, DEV_FILE, DEV_IMAGES, set(train.names), problems)
    samples = (*train.samples, *dev.samples)
    usable = {sample.sample_id for sample in samples}
    return RawDataset(
        samples=samples,
        splits={"mgca": _split(train.names, dev.names, usable)},
        problems=tuple(problems),
        listed=sum(len(one.names) + len(one.nameless) for one in (train, dev)),
    )


def _read_list(root: Path, file: str, folder: str, taken: set[str], problems: list[Problem]) -> _Listed:
    listed = _Listed([], [], [])
    seen = set(taken)
    for row in read_csv(root / file, COLUMNS):
        where, name = f"{file}:{row.line}", row.cells["image_name"]
        if not is_file_name(name):
            listed.nameless.append(row)
            problems.append(Problem("bad-row", where, f"image_name {name!r} cannot name a file"))
        elif name in seen:
            problems.append(Problem("duplicate-id", where, f"a row before this one names {name} too; passed over"))
        else:
            seen.add(name)
            listed.names.append(name)
            sample = _sample(root, f"{folder}/{name}", row, where, problems)
            listed.samples.extend([sample] if sample else [])
    return listed


def _sample(root: Path, image: str, row: TableRow, where: str, problems: list[Problem]) -> Sample | None:
    """The image with its objects fitted to it; None, reported, where one is malformed or none of them is on it."""
    name, text = row.cells["image_name"], row.cells["annotation"]
    try:
        if row.surplus:
            raise ShapeError(SURPLUS)
        shapes = parse("" if is_blank(text) else text)
    except ShapeError as error:
        problems.append(Problem("bad-row", where, f"annotation: {error}; image {name} left out"))
        return None
    size = read_size(root / image)
    if size is None:  # the preparation of the data names it and drops it
        return _labelled(name, image, shapes)
    fitted = [fit_box(tight_box(shape), height=size.height, width=size.width, where=name) for shape in shapes]
    problems += [one.problem for one in fitted if one.problem]
    kept = tuple(one.box for one in fitted if one.box is not None)
    if shapes and not kept:
        problems.append(Problem("bad-row", where, f"no object is on the image; image {name} left out"))
        return None
    return Sample(
        sample_id=name,
        patient_id=name,
        image=image,
        labels={LABEL: int(bool(shapes))},
        boxes=kept,
        mask=encode_mask(cover(shapes, *size)) if kept else blank_mask(*size),
    )


def _labelled(name: str, image: str, shapes: Sequence[Shape]) -> Sample:
    return Sample(sample_id=name, patient_id=name, image=image, labels={LABEL: int(bool(shapes))})


def _split(train: Sequence[str], dev: Sequence[str], usable: set[str]) -> Mapping[str, list[str]]:
    parts = {**draw_valid(train, VALID_SHARE), "test": list(dev)}
    return {part: [name for name in names if name in usable] for part, names in parts.items()}
