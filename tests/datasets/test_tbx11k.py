"""TBX11K: the three real images, the phantom, both splits, and bad input."""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest

from medbench.errors import MissingDataError
from medbench.images import read_grey
from medbench.masks import decode_mask
from medbench.samples import PhantomSize
from medbench_datasets import tbx11k, tbx11k_phantom
from tests.datasets.tampering import kinds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZE = PhantomSize(images=24, side=48, seed=4)
CASES = {case.path.rpartition("/")[2]: case for case in tbx11k_phantom.draw_cases(SIZE)}
TUBERCULOUS = next(name for name, case in CASES.items() if case.boxes and case.part == "train")
HEALTHY = next(name for name, case in CASES.items() if case.path.startswith("health") and case.part == "train")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tbx11k_phantom.write_phantom(tmp_path, SIZE)
    return tmp_path


def _edit(root: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = root / tbx11k.LISTS["train"]
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_the_real_images_are_read(shared: Path) -> None:
    root = shared / "data" / "tbx11k-sample"
    raw = tbx11k.read(root)
    assert kinds(raw) == ["missing-list"]
    by_id = {sample.sample_id: sample for sample in raw.samples}
    assert list(by_id) == ["tb0005.png", "tb0007.png", "h0001.png"]
    assert [len(sample.boxes or ()) for sample in raw.samples] == [1, 2, 0]
    assert [box.label for sample in raw.samples for box in sample.boxes or ()] == [0, 1, 1]
    assert by_id["tb0005.png"].labels == {"Healthy": 0, "Sick": 0, "Tuberculosis": 1}
    assert by_id["h0001.png"].labels == {"Healthy": 1, "Sick": 0, "Tuberculosis": 0}
    areas = {1793, 19866, 14665}  # as the file gives them
    assert {round(box.width * box.height) for sample in raw.samples for box in sample.boxes or ()} == areas
    for sample in raw.samples:
        assert sample.mask is not None
        assert decode_mask(sample.mask).shape == read_grey(root / sample.image).shape
        filled = sum(round(box.width * box.height) for box in sample.boxes or ())
        assert int(decode_mask(sample.mask).sum()) == pytest.approx(filled, rel=0.04)


def test_the_phantom_reads_back_as_it_was_drawn(root: Path) -> None:
    raw = tbx11k.read(root)
    assert kinds(raw) == []
    assert {sample.sample_id for sample in raw.samples} == set(CASES)
    for sample in raw.samples:
        case = CASES[sample.sample_id]
        assert sample.image == f"imgs/{case.path}"
        assert (read_grey(root / sample.image) == case.pixels).all()
        assert sample.boxes == case.boxes
        folder = case.path.partition("/")[0]
        assert [name for name, value in sample.labels.items() if value] == [tbx11k.LABEL_OF_FOLDER[folder]]
        assert sample.mask is not None
        assert decode_mask(sample.mask).any() == bool(case.boxes)
    assert {box.label for case in CASES.values() for box in case.boxes} == {0, 1, 2}


def test_the_official_split_tests_on_the_validation_list(root: Path) -> None:
    split = tbx11k.read(root).splits["official"]
    assert split["test"] == [name for name, case in CASES.items() if case.part == "val"]
    assert sorted(chain(split["train"], split["valid"])) == sorted(set(CASES) - set(split["test"]))
    assert len(split["valid"]) == 2


def test_the_proportional_split_holds_each_image_once(root: Path) -> None:
    split = tbx11k.read(root).splits["public-70-15-15"]
    assert sorted(chain.from_iterable(split.values())) == sorted(CASES)
    assert {part: len(ids) for part, ids in split.items()} == {"train": 17, "valid": 4, "test": 3}


def test_the_official_numbers_give_the_published_sizes() -> None:
    parts = {"train": [f"a{index:04d}" for index in range(6_600)], "val": [f"b{index:04d}" for index in range(1_800)]}
    for name, split in tbx11k._splits(parts).items():
        assert {part: len(ids) for part, ids in split.items()} == dict(tbx11k.SPEC.split(name).sizes)


def test_tuberculosis_without_a_box_is_not_annotated_and_health_with_one_is_said(root: Path) -> None:
    def move(document: dict[str, Any]) -> None:
        ids = {image["file_name"].rpartition("/")[2]: image["id"] for image in document["images"]}
        for annotation in document["annotations"]:
            if annotation["image_id"] == ids[TUBERCULOUS]:
                annotation["image_id"] = ids[HEALTHY]

    _edit(root, move)
    raw = tbx11k.read(root)
    assert sorted(kinds(raw)) == ["label-disagreement", "no-boxes"]
    by_id = {sample.sample_id: sample for sample in raw.samples}
    assert (by_id[TUBERCULOUS].boxes, by_id[TUBERCULOUS].mask) == (None, None)
    assert by_id[TUBERCULOUS].labels["Tuberculosis"] == 1
    assert by_id[HEALTHY].boxes == CASES[TUBERCULOUS].boxes


def test_images_in_another_folder_have_no_label(root: Path) -> None:
    def move(document: dict[str, Any]) -> None:
        for image in document["images"]:
            if image["file_name"].endswith((TUBERCULOUS, HEALTHY)):
                image["file_name"] = f"extra/{image['file_name'].rpartition('/')[2]}"

    _edit(root, move)
    raw = tbx11k.read(root)
    by_id = {sample.sample_id: sample for sample in raw.samples}
    assert kinds(raw) == ["no-boxes"]
    assert by_id[TUBERCULOUS].labels == by_id[HEALTHY].labels == {}
    assert by_id[TUBERCULOUS].boxes == CASES[TUBERCULOUS].boxes
    assert by_id[HEALTHY].boxes is None


def test_entries_that_cannot_be_images_or_come_twice_are_reported(root: Path) -> None:
    def spoil(document: dict[str, Any]) -> None:
        document["images"] += [
            {"id": 900, "file_name": "../../x.png", "height": 9, "width": 9},
            {"id": 904, "file_name": "tb/\ud800.png", "height": 9, "width": 9},
            {"id": 905, "file_name": f"tb/{'x' * 300}.png", "height": 9, "width": 9},
            {"id": 901, "file_name": f"tb/{TUBERCULOUS}", "height": SIZE.side, "width": SIZE.side},
            {"id": 902},
        ]

    _edit(root, spoil)
    raw = tbx11k.read(root)
    assert Counter(kinds(raw)) == {"bad-row": 4, "duplicate-id": 1}
    assert all(problem.where.isprintable() and problem.where.encode() for problem in raw.problems)
    assert len(raw.samples) == SIZE.images
    assert raw.listed == SIZE.images + 4
    assert next(one for one in raw.samples if one.sample_id == TUBERCULOUS).boxes == CASES[TUBERCULOUS].boxes


def test_the_same_name_in_two_folders_is_two_images_with_their_own_boxes(root: Path) -> None:
    def add(document: dict[str, Any]) -> None:
        document["images"].append({"id": 900, "file_name": f"./extra/{TUBERCULOUS}", "height": 9, "width": 9})

    _edit(root, add)
    raw = tbx11k.read(root)
    by_id = {sample.sample_id: sample for sample in raw.samples}
    assert by_id[TUBERCULOUS].boxes == CASES[TUBERCULOUS].boxes
    assert by_id[f"extra/{TUBERCULOUS}"].image == f"imgs/extra/{TUBERCULOUS}"
    assert by_id[f"extra/{TUBERCULOUS}"].boxes is None
    assert kinds(raw) == ["no-boxes"]


def test_no_list_and_no_json_are_one_error_each(root: Path) -> None:
    train, val = (root / tbx11k.LISTS[part] for part in ("train", "val"))
    val.unlink()
    assert kinds(tbx11k.read(root)) == ["missing-list"]
    train.write_text("{")
    with pytest.raises(MissingDataError, match=r"TBX11K_train\.json is not JSON"):
        tbx11k.read(root)
    train.unlink()
    with pytest.raises(MissingDataError, match="has neither"):
        tbx11k.read(root)
