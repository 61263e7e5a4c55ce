"""Own images in class folders: the phantom, both layouts, the drawn parts, odd names, and folders that cannot be used."""

from __future__ import annotations

import os
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.datasets import DatasetFiles
from medbench.errors import MissingDataError
from medbench.preparation import examine
from medbench.progress import Reporter
from medbench.samples import PhantomSize
from medbench_datasets import image_folder, own_images_phantom
from medbench_datasets.names import is_plain_text, look_alikes
from medbench_datasets.strata import draw

if TYPE_CHECKING:
    from pathlib import Path

SIZE = PhantomSize(images=30, side=32, seed=8)
CASES = {f"{case.held}/{case.name}": case for case in own_images_phantom.draw_cases(SIZE)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    own_images_phantom.write_folder(tmp_path, SIZE)
    return tmp_path


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def _held(raw: object, part: str) -> Counter[str]:
    return Counter(one.split("/")[0] for one in raw.splits["own"][part])


def test_class_folders_become_one_hot_labels_in_sorted_order(root: Path) -> None:
    raw = image_folder.read(root)
    assert raw.problems == ()
    assert raw.label_names == ("healthy", "opacity", "pneumothorax")
    assert {sample.sample_id for sample in raw.samples} == set(CASES)
    for sample in raw.samples:
        assert sample.labels == {name: int(name == CASES[sample.sample_id].held) for name in raw.label_names}
        assert sample.patient_id == sample.image == sample.sample_id


def test_without_parts_every_class_is_divided_70_10_20(root: Path) -> None:
    raw = image_folder.read(root)
    assert sorted(chain.from_iterable(raw.splits["own"].values())) == sorted(CASES)
    total = Counter(case.held for case in CASES.values())
    for name, count in total.items():
        assert _held(raw, "test")[name] == round(0.2 * count)
        assert _held(raw, "valid")[name] == max(1, round(0.125 * (count - round(0.2 * count))))
    assert image_folder.read(root).splits == raw.splits


def test_the_core_prepares_it_with_the_label_names_that_the_folders_give(root: Path) -> None:
    files = DatasetFiles(image_folder.SPEC, root, (), root / "info", root / "table")
    examined = examine(files, Reporter())
    assert examined.info.label_names == ["healthy", "opacity", "pneumothorax"]
    assert examined.info.problems == []
    assert sum(examined.info.parts["own"].values()) == examined.table.num_rows == SIZE.images


@pytest.mark.parametrize(
    "names", [("train", "valid", "test"), ("Train", "VAL", "Test"), ("Training", "validation", "Testing")]
)
def test_part_folders_are_taken_as_given(tmp_path: Path, names: tuple[str, ...]) -> None:
    for folder in names:
        _touch(tmp_path, *(f"{folder}/{held}/{index}.png" for held in "ab" for index in range(3)))
    raw = image_folder.read(tmp_path)
    assert raw.problems == ()
    assert raw.label_names == ("a", "b")
    for part, folder in zip(("train", "valid", "test"), names, strict=True):
        assert raw.splits["own"][part] == [f"{folder}/{held}/{index}.png" for held in "ab" for index in range(3)]


def test_where_valid_is_not_given_it_is_drawn_from_train(tmp_path: Path) -> None:
    for part, count in (("train", 16), ("test", 3)):
        _touch(tmp_path, *(f"{part}/{held}/{index}.png" for held in "ab" for index in range(count)))
    parts = image_folder.read(tmp_path).splits["own"]
    assert {part: len(ids) for part, ids in parts.items()} == {"train": 28, "valid": 4, "test": 6}
    assert all(one.startswith("train/") for one in parts["valid"])


def test_a_test_part_alone_will_do_and_is_said(tmp_path: Path) -> None:
    _touch(tmp_path, "test/a/1.png", "test/b/2.png")
    raw = image_folder.read(tmp_path)
    assert raw.splits["own"] == {"train": [], "valid": [], "test": ["test/a/1.png", "test/b/2.png"]}
    assert [problem.kind for problem in raw.problems] == ["absent-part"]


def test_every_suffix_and_depth_is_read_and_the_rest_reported(tmp_path: Path) -> None:
    kept = ["a/1.PNG", "a/2.jpeg", "a/day 2/series/3.dcm", "b/4.tif", "b/5.dicom"]
    _touch(
        tmp_path, *kept, "a/notes.txt", "a/mask.nii.gz", "loose.png", "a/.DS_Store", "b/Thumbs.db", "__MACOSX/b/._4.tif"
    )
    (tmp_path / "empty").mkdir()
    raw = image_folder.read(tmp_path)
    assert [sample.image for sample in raw.samples] == sorted(kept)
    told = {(problem.kind, problem.where) for problem in raw.problems}
    assert told == {
        ("not-an-image", "a/notes.txt"),
        ("not-an-image", "a/mask.nii.gz"),
        ("loose-image", "loose.png"),
        ("empty-class", "empty"),
    }


def test_linked_folders_are_read_and_a_loop_of_them_ends(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    disk = tmp_path_factory.mktemp("disk")
    _touch(disk, "ill/4.png", "series/5.png")
    _touch(tmp_path, "a/1.png", "a/2.png", "b/3.png")
    (tmp_path / "ill").symlink_to(disk / "ill")
    (tmp_path / "b" / "series").symlink_to(disk / "series")
    (disk / "series" / "again").symlink_to(tmp_path / "b")
    raw = image_folder.read(tmp_path)
    assert [sample.image for sample in raw.samples] == ["a/1.png", "a/2.png", "b/3.png", "b/series/5.png", "ill/4.png"]
    assert raw.problems == ()


def test_hidden_files_and_folders_are_no_images(tmp_path: Path) -> None:
    _touch(tmp_path, "a/1.png", "a/2.png", "b/3.png", "a/._1.png", "b/.trash/4.png", ".git/5.png", "._loose.png")
    raw = image_folder.read(tmp_path)
    assert [sample.image for sample in raw.samples] == ["a/1.png", "a/2.png", "b/3.png"]
    assert raw.problems == ()


def test_odd_class_names_are_carried_as_they_are(tmp_path: Path) -> None:
    names = ["<script>alert(1)<", "a|b", "Ödem, früh", "心臓", '"quoted" `x`']
    _touch(tmp_path, *(f"{name}/{index}.png" for name in names for index in range(2)))
    raw = image_folder.read(tmp_path)
    assert raw.label_names == tuple(sorted(names))
    assert raw.problems == ()


def test_names_with_control_characters_or_broken_unicode_are_reported(tmp_path: Path) -> None:
    _touch(tmp_path, "a/1.png", "b/2.png", "b/3.png", "b/line\nbreak.png")
    (tmp_path / os.fsdecode(b"c\xff")).mkdir()
    (tmp_path / os.fsdecode(b"c\xff") / "3.png").write_bytes(b"")
    raw = image_folder.read(tmp_path)
    assert raw.label_names == ("a", "b")
    assert sorted(problem.kind for problem in raw.problems) == ["bad-name", "bad-name", "empty-class"]
    assert all(is_plain_text(problem.where) for problem in raw.problems)


def test_class_names_that_differ_by_case_alone_are_reported(tmp_path: Path) -> None:
    _touch(tmp_path, "Normal/1.png", "normal/2.png", "ill/x.png", "ill/X.png")
    raw = image_folder.read(tmp_path)
    assert [(problem.kind, problem.where) for problem in raw.problems] == [("colliding-name", "Normal")]
    assert raw.label_names == ("Normal", "ill", "normal")


def test_composed_and_decomposed_letters_name_one_class(tmp_path: Path) -> None:
    _touch(tmp_path, "train/\u00e9/1.png", "test/e\u0301/2.png", "train/b/3.png", "test/b/4.png")
    assert image_folder.read(tmp_path).label_names == ("b", "\u00e9")


def test_a_class_that_a_part_lacks_is_reported(tmp_path: Path) -> None:
    _touch(tmp_path, "train/a/1.png", "train/b/2.png", "val/a/3.png", "val/b/4.png", "test/a/5.png")
    raw = image_folder.read(tmp_path)
    assert [(problem.kind, problem.where) for problem in raw.problems] == [("absent-class", "test")]
    assert "class 'b'" in raw.problems[0].detail


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "has no class folder with images in it - put the images into a folder for each class"),
        (["1.png", "2.png"], "has no class folder with images in it"),
        (["train/1.png", "test/2.png"], "has no class folder with images in it"),
        (["a/notes.txt", "b/notes.txt"], "has no class folder with images in it"),
        (["a/1.png"], r"one class alone \('a'\), and nothing can be told apart"),
        (["train/a/1.png", "test/a/1.png"], r"one class alone \('a'\)"),
        (["train/a/1.png", "cat/1.png", "dog/1.png"], r"mixes part folders \(train\) with others \(cat, dog\)"),
        (
            ["a/1.png", "b/1.png"],
            "no test part can be drawn: .* has no class with two patients - add images, or sort them",
        ),
        (["train/a/1.png", "train/b/1.png"], "gives train but no test - add test, or give no parts"),
        (["val/a/1.png", "valid/b/1.png", "train/a/1.png"], "has val and valid: both mean valid - keep one"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_line_with_what_to_do(tmp_path: Path, files: list[str], said: str) -> None:
    _touch(tmp_path, *files)
    with pytest.raises(MissingDataError, match=said) as caught:
        image_folder.read(tmp_path)
    assert caught.value.fix
    assert "\n" not in str(caught.value)


@given(st.dictionaries(st.text(max_size=5), st.sampled_from("abc"), max_size=40), st.floats(0.01, 0.9))
def test_a_draw_takes_its_share_of_every_stratum_whatever_the_order(strata: dict[str, str], share: float) -> None:
    drawn = draw(strata, share)
    assert drawn == draw(dict(reversed(strata.items())), share)
    total, taken = Counter(strata.values()), Counter(strata[one] for one in drawn)
    for stratum, count in total.items():
        assert taken[stratum] == min(max(1, round(share * count)), count - 1)


@given(st.lists(st.text("aAbB", max_size=2), unique=True))
def test_every_clash_of_case_is_told_once(names: list[str]) -> None:
    clashes = Counter(name.casefold() for name in names)
    assert len(look_alikes(names)) == sum(times > 1 for times in clashes.values())
