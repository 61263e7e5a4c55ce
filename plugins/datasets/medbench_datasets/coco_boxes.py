"""Boxes by image from a COCO annotation file."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from medbench.errors import MissingDataError
from medbench.images import MAX_PIXELS
from medbench.samples import Box, Problem
from medbench_datasets.geometry import fit_box
from medbench_datasets.json_rows import read_json
from medbench_datasets.rasters import Size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SECTIONS = ("images", "annotations", "categories")
_BOX_VALUES = 4
_MALFORMED = (KeyError, TypeError, ValueError, OverflowError)
"""What an entry of another shape than COCO's raises where it is taken apart."""


class ImageBoxes(NamedTuple):
    """The boxes of one image, and the size that the annotation file gives for it."""

    size: Size
    boxes: tuple[Box, ...]


def read_boxes(path: Path, names: Sequence[str], problems: list[Problem]) -> dict[str, ImageBoxes]:
    """Boxes by the images' paths as the file gives them, without './'; labels index ``names``, which are category names.

    No file gives no boxes. An image that has several entries gets the boxes of all. Malformed entries, other categories and
    boxes off their image are reported and passed over. Raises `MissingDataError` where the file is not COCO JSON: not the
    sections that COCO has, a category without an id, an image without a name.
    """
    if not path.is_file():
        return {}
    document = _load(path)
    labels = _labels(path, document["categories"], names)
    images: dict[Any, tuple[str, Size]] = {}
    for index, image in enumerate(document["images"]):
        where = f"images[{index}]"
        try:
            name = PurePosixPath(image["file_name"])
            images[image["id"]] = (str(name), _size(image))
        except _MALFORMED as error:
            problems.append(Problem("bad-row", f"{path.name}: {where}", f"malformed ({error!r}); passed over"))
            continue
        if not name.name:
            raise MissingDataError(f"{where} of {path} has an empty file_name", fix="download the file again")
    found: dict[Any, list[Box]] = {identity: [] for identity in images}
    for index, annotation in enumerate(document["annotations"]):
        where = f"{path.name}: annotations[{index}]"
        try:
            identity, box = annotation["image_id"], _box(annotation, labels)
            fitted = fit_box(box, height=images[identity][1].height, width=images[identity][1].width, where=where)
        except _MALFORMED as error:
            problems.append(Problem("bad-row", where, f"malformed, or of an unknown image or category ({error!r})"))
            continue
        problems += [fitted.problem] if fitted.problem else []
        found[identity] += [fitted.box] if fitted.box else []
    by_name: dict[str, ImageBoxes] = {}
    for identity, (listed, size) in images.items():
        before = by_name[listed].boxes if listed in by_name else ()
        by_name[listed] = ImageBoxes(size, (*before, *found[identity]))
    return by_name


def _load(path: Path) -> dict[str, Any]:
    document = read_json(path)
    sections = document if isinstance(document, dict) else {}
    missing = [name for name in SECTIONS if not isinstance(sections.get(name), list)]
    if missing:
        raise MissingDataError(f"{path} has no list '{missing[0]}'", fix=f"a COCO file has {', '.join(SECTIONS)}")
    return sections


def _labels(path: Path, categories: Sequence[Any], names: Sequence[str]) -> dict[Any, int]:
    """The index in ``names`` by category id."""
    labels = {}
    for index, one in enumerate(categories):
        identity = one.get("id") if isinstance(one, dict) else None
        if not isinstance(identity, int | str):
            raise MissingDataError(f"categories[{index}] of {path} has no id", fix="download the file again")
        if one.get("name") in names:
            labels[identity] = names.index(one["name"])
    return labels


def _size(image: dict[str, Any]) -> Size:
    size = Size(int(image["height"]), int(image["width"]))
    if min(size) <= 0 or size.height * size.width > MAX_PIXELS:
        raise ValueError(f"no image is {size} pixels")
    return size


def _box(annotation: dict[str, Any], labels: dict[Any, int]) -> Box:
    values = [float(value) for value in annotation["bbox"]]
    if len(values) != _BOX_VALUES:
        raise ValueError(f"a box has 4 values, not {len(values)}")
    return Box(labels[annotation["category_id"]], *values)
