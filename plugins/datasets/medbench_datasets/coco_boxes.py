"""Boxes by image from a COCO annotation file."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from medbench.errors import MissingDataError
from medbench.samples import Box, Problem
from medbench_datasets.geometry import fit_box
from medbench_datasets.rasters import Size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SECTIONS = ("images", "annotations", "categories")
_BOX_VALUES = 4


class ImageBoxes(NamedTuple):
    """The boxes of one image, and the size that the annotation file gives for it."""

    size: Size
    boxes: tuple[Box, ...]


def read_boxes(path: Path, names: Sequence[str], problems: list[Problem]) -> dict[str, ImageBoxes]:
    """Boxes by the images' file names (folders dropped); labels index ``names``, which are category names.

    No file gives no boxes. Malformed entries, other categories and boxes off their image are reported and passed over.
    Raises `MissingDataError` where the file is not COCO JSON.
    """
    if not path.is_file():
        return {}
    document = _load(path)
    labels = {one["id"]: names.index(one["name"]) for one in document["categories"] if one.get("name") in names}
    images: dict[Any, tuple[str, Size]] = {}
    for index, image in enumerate(document["images"]):
        try:
            images[image["id"]] = (
                PurePosixPath(image["file_name"]).name,
                Size(int(image["height"]), int(image["width"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            problems.append(Problem("bad-row", f"{path.name}: images[{index}]", f"malformed ({error!r}); passed over"))
    found: dict[Any, list[Box]] = {identity: [] for identity in images}
    for index, annotation in enumerate(document["annotations"]):
        where = f"{path.name}: annotations[{index}]"
        try:
            identity, box = annotation["image_id"], _box(annotation, labels)
            fitted = fit_box(box, height=images[identity][1].height, width=images[identity][1].width, where=where)
        except (KeyError, TypeError, ValueError) as error:
            problems.append(Problem("bad-row", where, f"malformed, or of an unknown image or category ({error!r})"))
            continue
        problems += [fitted.problem] if fitted.problem else []
        found[identity] += [fitted.box] if fitted.box else []
    return {name: ImageBoxes(size, tuple(found[identity])) for identity, (name, size) in images.items()}


def _load(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MissingDataError(f"{path} is not JSON ({error})", fix="download the file again") from error
    sections = document if isinstance(document, dict) else {}
    missing = [name for name in SECTIONS if not isinstance(sections.get(name), list)]
    if missing:
        raise MissingDataError(f"{path} has no list '{missing[0]}'", fix=f"a COCO file has {', '.join(SECTIONS)}")
    return sections


def _box(annotation: dict[str, Any], labels: dict[Any, int]) -> Box:
    values = [float(value) for value in annotation["bbox"]]
    if len(values) != _BOX_VALUES:
        raise ValueError(f"a box has 4 values, not {len(values)}")
    return Box(labels[annotation["category_id"]], *values)
