"""A generated stand-in for TBX11K in the official raw form: boxed opacities, collapsed lungs that are merely sick, health."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from medbench_datasets import drawing, tbx11k

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.samples import Box, PhantomSize

_FOLDERS, _SHARES = tuple(tbx11k.LABEL_OF_FOLDER), (0.3, 0.3, 0.4)
_BOTH_LUNGS_SHARE, _VAL_EVERY = 0.3, 4
_FAINT = (1.0, 0.5, 0.75)
"""How strongly active, latent and uncertain tuberculosis shows."""


class Case(NamedTuple):
    """One image of the phantom as (side, side) uint8: its path in ``imgs``, its boxes, and the list that it is on."""

    path: str
    part: str
    pixels: NDArray[np.uint8]
    boxes: tuple[Box, ...]


def draw_cases(size: PhantomSize) -> Iterator[Case]:
    """``size.images`` images, every fourth on the validation list; same size, same cases."""
    rng = np.random.default_rng(size.seed)
    for index in range(size.images):
        folder = str(rng.choice(_FOLDERS, p=_SHARES))
        thorax = drawing.draw_thorax(size.side, rng)
        boxes: tuple[Box, ...] = ()
        if folder == "tb":
            thorax, boxes = _with_tuberculosis(thorax, rng)
        elif folder == "sick":
            thorax, _ = drawing.add_pneumothorax(thorax, thorax.left_lung, rng)
        part = "val" if index % _VAL_EVERY == _VAL_EVERY - 1 else "train"
        yield Case(f"{folder}/{folder[0]}{index + 1:04d}.png", part, drawing.finish(thorax, rng), boxes)


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write the images, and the boxes of both lists as COCO JSON, under ``root``; same size, same bytes."""
    documents = {part: _empty_document() for part in tbx11k.LISTS}
    for case in draw_cases(size):
        path = root / tbx11k.IMAGES / case.path
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(case.pixels).save(path)
        _add(documents[case.part], case)
    for part, file in tbx11k.LISTS.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(json.dumps(documents[part]), encoding="utf-8")


def _with_tuberculosis(thorax: drawing.Thorax, rng: np.random.Generator) -> tuple[drawing.Thorax, tuple[Box, ...]]:
    kind = int(rng.integers(len(_FAINT)))
    lungs = [thorax.right_lung, thorax.left_lung]
    boxes = []
    for index in rng.permutation(2)[: 2 if rng.random() < _BOTH_LUNGS_SHARE else 1]:
        opaque, box = drawing.add_opacity(thorax, lungs[index], rng)
        pixels = thorax.pixels + np.float32(_FAINT[kind]) * (opaque.pixels - thorax.pixels)
        thorax = replace(thorax, pixels=pixels)
        boxes.append(box._replace(label=kind))
    return thorax, tuple(boxes)


def _empty_document() -> dict[str, list[dict[str, Any]]]:
    categories = [
        {"id": index + 1, "name": name, "supercategory": "Tuberculosis"} for index, name in enumerate(tbx11k.CATEGORIES)
    ]
    return {"categories": categories, "images": [], "annotations": []}


def _add(document: dict[str, list[dict[str, Any]]], case: Case) -> None:
    height, width = case.pixels.shape
    image_id = len(document["images"]) + 1
    document["images"].append({"id": image_id, "file_name": case.path, "width": width, "height": height})
    for box in case.boxes:
        annotation = {
            "id": len(document["annotations"]) + 1,
            "image_id": image_id,
            "category_id": box.label + 1,
            "iscrowd": 0,
            "area": box.width * box.height,
            "bbox": list(box[1:]),
        }
        document["annotations"].append(annotation)
