"""COCO files: boxes by path, and what entries of another shape come to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from medbench.errors import MissingDataError
from medbench.samples import Box
from medbench_datasets.coco_boxes import read_boxes

if TYPE_CHECKING:
    from pathlib import Path

    from medbench.samples import Problem

IMAGE = {"id": 1, "file_name": "a/x.png", "height": 40, "width": 50}
BOX = {"image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4]}


def _document(**changes: list[Any]) -> dict[str, Any]:
    return {"images": [IMAGE], "annotations": [BOX], "categories": [{"id": 7, "name": "lung"}], **changes}


def _read(tmp_path: Path, document: object) -> tuple[dict[str, tuple[Box, ...]], list[Problem]]:
    problems: list[Problem] = []
    (tmp_path / "boxes.json").write_text(json.dumps(document))
    found = read_boxes(tmp_path / "boxes.json", ("heart", "lung"), problems)
    return {name: one.boxes for name, one in found.items()}, problems


def test_images_of_one_name_in_two_folders_keep_their_own_boxes(tmp_path: Path) -> None:
    others = [{**IMAGE, "id": 2, "file_name": "./b//x.png"}, {**IMAGE, "id": 3, "file_name": "x.png"}]
    second = {**BOX, "image_id": 2, "bbox": [5, 6, 7, 8]}
    found, problems = _read(tmp_path, _document(images=[IMAGE, *others], annotations=[BOX, second]))
    assert found == {"a/x.png": (Box(1, 1, 2, 3, 4),), "b/x.png": (Box(1, 5, 6, 7, 8),), "x.png": ()}
    assert problems == []


def test_an_image_with_two_entries_gets_the_boxes_of_both(tmp_path: Path) -> None:
    found, _ = _read(tmp_path, _document(images=[IMAGE, {**IMAGE, "id": 2}]))
    assert found == {"a/x.png": (Box(1, 1, 2, 3, 4),)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"categories": [{"id": 7, "name": "lung"}, {"name": "heart"}]}, r"categories\[1\] of .*boxes\.json has no id"),
        ({"categories": ["lung"]}, r"categories\[0\] of .*boxes\.json has no id"),
        ({"categories": [{"id": [1], "name": "lung"}]}, r"categories\[0\] of"),
        (
            {"images": [IMAGE, {**IMAGE, "id": 2, "file_name": ""}]},
            r"images\[1\] of .*boxes\.json has an empty file_name",
        ),
        ({"images": [{**IMAGE, "file_name": "./"}]}, r"images\[0\] of .*boxes\.json has an empty file_name"),
    ],
)
def test_an_entry_without_which_nothing_can_be_told_is_one_line(
    tmp_path: Path, changes: dict[str, list[Any]], said: str
) -> None:
    with pytest.raises(MissingDataError, match=said) as caught:
        _read(tmp_path, _document(**changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "image",
    [
        3,
        {"id": 2},
        {**IMAGE, "id": [2]},
        {**IMAGE, "id": 2, "file_name": 5},
        {**IMAGE, "id": 2, "height": 0},
        {**IMAGE, "id": 2, "width": float("inf")},
        {**IMAGE, "id": 2, "width": 10**9},
    ],
)
def test_a_malformed_image_is_reported_and_the_others_stay(tmp_path: Path, image: object) -> None:
    found, problems = _read(tmp_path, _document(images=[image, IMAGE]))
    assert list(found) == ["a/x.png"]
    assert [(one.kind, one.where) for one in problems] == [("bad-row", "boxes.json: images[0]")]
