"""TBX11K (CVPR 2020): chest X-rays that are healthy, sick but not with tuberculosis, or with tuberculosis, boxed by kind.

Images lie under ``imgs/<folder>`` and the folder tells the class; ``annotations/json`` holds COCO boxes of tuberculous
areas for the official training and validation lists. The labels of the official test images are hidden; they are not read.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from medbench.errors import MissingDataError
from medbench.masks import box_mask
from medbench.samples import Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_datasets.coco_boxes import read_boxes
from medbench_datasets.json_rows import read_json
from medbench_datasets.names import complain_of_path
from medbench_datasets.rle import blank_mask
from medbench_datasets.splits import draw_valid, halve_held_out, held_out_count
from medbench_datasets.texts import encodable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from medbench_datasets.coco_boxes import ImageBoxes

IMAGES = "imgs"
LISTS = {part: f"annotations/json/TBX11K_{part}.json" for part in ("train", "val")}
HEALTHY, SICK, TUBERCULOSIS = "Healthy", "Sick", "Tuberculosis"
LABEL_OF_FOLDER = {"health": HEALTHY, "sick": SICK, "tb": TUBERCULOSIS}
CATEGORIES = ("ActiveTuberculosis", "ObsoletePulmonaryTuberculosis", "PulmonaryTuberculosis")
PUBLIC, HELD_OUT = 8_400, 2_520
VALID_SHARE = 0.1

SPEC = DatasetSpec(
    id="tbx11k",
    title="TBX11K tuberculosis",
    modality="chest X-ray",
    access="open",
    licence="CC BY-NC-SA 2.0",
    url="https://mmcheng.net/tb/",
    files=(
        ExpectedFile(
            path="annotations/json/TBX11K_*.json",
            purpose=f"COCO boxes with the official lists: {' and '.join(PurePosixPath(one).name for one in LISTS.values())}",
        ),
        ExpectedFile(path=IMAGES, purpose=f"PNG images in folders {', '.join(LABEL_OF_FOLDER)}", kind="folder"),
    ),
    supervision=frozenset({"labels", "boxes", "masks"}),
    label_names=(HEALTHY, SICK, TUBERCULOSIS),
    box_names=("Active tuberculosis", "Latent tuberculosis", "Uncertain tuberculosis"),
    splits=(
        SplitSpec(
            name="official",
            rule=(
                "test is the official validation list, since the official test labels are hidden; the sorted official "
                "training list is divided by train_test_split(test_size=0.1, random_state=0) into train and valid"
            ),
            source="official lists of TBX11K; the division of the training list is medbench's",
            sizes={"train": 5_940, "valid": 660, "test": 1_800},
        ),
        SplitSpec(
            name="public-70-15-15",
            rule=(
                "70/15/15 of the public part, as BenchX divides it, but not BenchX's own list (5,879 / 1,260 / 1,260): sorted "
                "names; train_test_split(test_size=2520, random_state=0), the held-out part halved with random_state 0, first "
                "half test, second half valid; the same share on another number of images"
            ),
            source="proportions of BenchX (NeurIPS 2024); drawn by medbench",
            sizes={"train": 5_880, "valid": 1_260, "test": 1_260},
        ),
    ),
    reader="medbench_datasets.tbx11k:read",
    phantom="medbench_datasets.tbx11k_phantom:write_phantom",
    citation="Liu et al., Rethinking Computer-aided Tuberculosis Diagnosis, CVPR 2020",
    tags=("chest-xray", "detection", "segmentation", "classification"),
)


class _List(NamedTuple):
    """An official list: image paths as it gives them, ``tb/tb0005.png``, boxes by path, and how many entries name none."""

    file: str
    images: tuple[str, ...]
    boxes: Mapping[str, ImageBoxes]
    nameless: int


def read(root: Path) -> RawDataset:
    """One sample an image of the training and validation lists, in their order; its file name is its id and its patient's.

    Where a list before it has that name in another folder, the id is the path below ``imgs``.

    Boxes are of tuberculous areas: empty on healthy and on sick images, None, reported, on an image of tuberculosis that
    has none. The mask is the union of the filled boxes. One of the two lists may be absent, which is reported. Raises
    `MissingDataError` where both are, or one is not COCO JSON.
    """
    problems: list[Problem] = []
    parts: dict[str, list[str]] = {part: [] for part in LISTS}
    samples: dict[str, Sample] = {}
    lists = _read_lists(root, problems)
    seen: set[str] = set()
    for part, listed in lists.items():
        for image in listed.images:
            if image in seen:
                problems.append(
                    Problem(
                        "duplicate-id",
                        f"{listed.file}: {encodable(image)}",
                        "it is listed before this too; passed over",
                    )
                )
                continue
            seen.add(image)
            sample = _sample(image, listed, problems)
            if sample is None:
                continue
            if sample.sample_id in samples:
                sample = replace(sample, sample_id=image, patient_id=image)
            samples[sample.sample_id] = sample
            parts[part].append(sample.sample_id)
    return RawDataset(
        samples=tuple(samples.values()),
        splits=_splits(parts),
        problems=tuple(problems),
        listed=len(seen) + sum(listed.nameless for listed in lists.values()),
    )


def _read_lists(root: Path, problems: list[Problem]) -> dict[str, _List]:
    found = {}
    for part, file in LISTS.items():
        if (root / file).is_file():
            boxes = read_boxes(root / file, CATEGORIES, problems)  # checks that the file is COCO
            entries = read_json(root / file)["images"]
            images = _images(entries)
            found[part] = _List(PurePosixPath(file).name, images, boxes, len(entries) - len(images))
        else:
            problems.append(Problem("missing-list", file, "the list is absent, and so is its part"))
    if not found:
        raise MissingDataError(f"{root} has neither {' nor '.join(LISTS.values())}", fix=f"download it from {SPEC.url}")
    return found


def _images(entries: Sequence[object]) -> tuple[str, ...]:
    """Paths of the images that have one; `read_boxes` has reported the others."""
    names = [entry.get("file_name") for entry in entries if isinstance(entry, dict)]
    return tuple(str(PurePosixPath(name)) for name in names if isinstance(name, str))


def _sample(image: str, listed: _List, problems: list[Problem]) -> Sample | None:
    """The image with what is known of it; None, reported, where its path leaves the folder."""
    path, where = PurePosixPath(image), f"{listed.file}: {encodable(image)}"
    complaint = complain_of_path(image)
    if complaint is not None:
        problems.append(Problem("bad-row", where, f"{complaint}; passed over"))
        return None
    annotated = listed.boxes.get(image)
    if annotated is None:
        return None  # malformed in the list, and reported by its reader
    label = LABEL_OF_FOLDER.get(path.parts[0])
    known = bool(annotated.boxes) or label in {HEALTHY, SICK}
    if annotated.boxes and label in {HEALTHY, SICK}:
        detail = f"the image lies in '{path.parts[0]}' but has boxes; both were kept"
        problems.append(Problem("label-disagreement", where, detail))
    if not known:
        problems.append(
            Problem("no-boxes", where, "no healthy or sick image, but it has no box: taken as not annotated")
        )
    height, width = annotated.size
    filled = box_mask(annotated.boxes, height, width) if annotated.boxes else blank_mask(height, width)
    return Sample(
        sample_id=path.name,
        patient_id=path.name,
        image=f"{IMAGES}/{image}",
        labels={} if label is None else {name: int(name == label) for name in SPEC.label_names},
        boxes=annotated.boxes if known else None,
        mask=filled if known else None,
    )


def _splits(parts: Mapping[str, Sequence[str]]) -> Mapping[str, Mapping[str, list[str]]]:
    public = sorted([*parts["train"], *parts["val"]])
    return {
        "official": {**draw_valid(sorted(parts["train"]), VALID_SHARE), "test": list(parts["val"])},
        "public-70-15-15": halve_held_out(public, held_out_count(len(public), PUBLIC, HELD_OUT)),
    }
