"""ChestX-ray14: which file is an image of the table, in every way that users keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from medbench.errors import MissingDataError
from medbench_datasets import chestx_ray14
from medbench_datasets.chestx_ray14_images import find_images

if TYPE_CHECKING:
    from pathlib import Path

    from medbench.samples import Problem

NAMES = [f"0000000{number}_000.png" for number in range(4)]


def _touch(root: Path, *places: str) -> None:
    for place in places:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).touch()


def _find(root: Path) -> tuple[list[str], list[Problem]]:
    problems: list[Problem] = []
    return list(find_images(root, problems, fix="get them").values()), problems


@pytest.mark.parametrize("folder", ["images", "images_001/images", "CXR8/images_001/images", "CXR8/images"])
def test_every_official_layout_is_found_and_expected(tmp_path: Path, folder: str) -> None:
    places = [f"{folder}/{name}" for name in NAMES]
    _touch(tmp_path, *places)
    assert _find(tmp_path) == (places, [])
    expected = next(file for file in chestx_ray14.SPEC.files if "images" in file.path)
    assert list(tmp_path.glob(expected.path))


def test_linked_folders_are_followed_and_entered_once(tmp_path: Path) -> None:
    _touch(tmp_path / "disk", *(f"pngs/{name}" for name in NAMES))
    root = tmp_path / "nih"
    (root / "images").mkdir(parents=True)
    (root / "images" / "part").symlink_to(tmp_path / "disk" / "pngs")
    (root / "images_again").symlink_to(tmp_path / "disk" / "pngs")
    (tmp_path / "disk" / "pngs" / "loop").symlink_to(root)
    assert _find(root) == ([f"images/part/{name}" for name in NAMES], [])


def test_hidden_files_and_what_systems_leave_are_no_images(tmp_path: Path) -> None:
    _touch(tmp_path, "images/a.png", "images/._a.png", ".cache/b.png", "__MACOSX/images/c.png", "images/.d/e.png")
    assert _find(tmp_path) == (["images/a.png"], [])


def test_a_name_in_capitals_is_the_same_image(tmp_path: Path) -> None:
    _touch(tmp_path, "images/00000001_000.PNG")
    assert find_images(tmp_path, [], fix="") == {"00000001_000.png": "images/00000001_000.PNG"}


def test_a_resized_copy_beside_the_images_is_passed_over_and_said_once(tmp_path: Path) -> None:
    _touch(tmp_path, *(f"224/{name}" for name in [*NAMES, "more.png"]), *(f"images/{name}" for name in NAMES))
    paths, problems = _find(tmp_path)
    assert sorted(paths) == ["224/more.png", *(f"images/{name}" for name in NAMES)]
    assert [(one.kind, one.where, one.detail[:2]) for one in problems] == [("duplicate-image", "224", "4 ")]


def test_two_whole_copies_are_refused_and_a_few_repetitions_reported(tmp_path: Path) -> None:
    _touch(tmp_path, *(f"images/{name}" for name in NAMES), f"images_2/{NAMES[0]}")
    paths, problems = _find(tmp_path)
    assert paths == [f"images/{name}" for name in NAMES]
    assert [(one.kind, one.where) for one in problems] == [("duplicate-image", f"images_2/{NAMES[0]}")]
    _touch(tmp_path, *(f"images_2/{name}" for name in NAMES))
    with pytest.raises(MissingDataError, match=r"most images twice, as images/.* and images_2/.* - move one copy"):
        _find(tmp_path)


def test_no_image_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"holds no \.png file - get them"):
        _find(tmp_path)
