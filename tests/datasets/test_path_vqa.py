"""PathVQA: the phantom in the authors' pickles, the copy as JSON, hostile pickles, and bad input."""

from __future__ import annotations

import datetime
import json
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from medbench.errors import MissingDataError
from medbench.images import read_colour
from medbench.samples import PhantomSize
from medbench_datasets import path_vqa, path_vqa_phantom
from medbench_datasets.plain_pickle import UnsafePickleError, read_plain_pickle
from tests.datasets.tampering import kinds

SIZE = PhantomSize(images=10, side=40, seed=2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path_vqa_phantom.write_phantom(tmp_path, SIZE)
    return tmp_path


def _pickle_of(root: Path, part: str) -> Path:
    return root / path_vqa.QUESTIONS / part / f"{part}_qa.pkl"


def test_the_phantom_is_read_and_its_answers_show_in_the_colours(root: Path) -> None:
    raw = path_vqa.read(root)
    assert raw.problems == ()
    assert len(raw.samples) == raw.listed == 3 * SIZE.images
    assert {part: len(ids) for part, ids in raw.splits["official"].items()} == {"train": 18, "valid": 6, "test": 6}
    for sample in raw.samples:
        assert sample.details == {"answer_type": "CLOSED" if sample.answers[0] in {"yes", "no"} else "OPEN"}
        if sample.texts == ("are lymphocytes present?",):
            green = read_colour(root / sample.image)[:, :, 1]
            assert (np.mean(green < 110) > 0.03) == (sample.answers == ("yes",))


def test_a_copy_as_json_is_read_like_the_pickle(root: Path) -> None:
    before = path_vqa.read(root)
    for folder in path_vqa.FOLDERS.values():
        path = _pickle_of(root, folder)
        path.with_suffix(".json").write_text(json.dumps(read_plain_pickle(path)))
        path.unlink()
    assert path_vqa.read(root) == before


def test_repeated_rows_are_kept_in_the_official_split_alone(root: Path) -> None:
    rows = read_plain_pickle(_pickle_of(root, "train"))
    _pickle_of(root, "train").write_bytes(pickle.dumps([*rows, rows[0], rows[1] | {"answer": "other"}]))
    raw = path_vqa.read(root)
    assert len(raw.splits["official"]["train"]) == len(rows) + 2
    assert raw.splits["distinct"]["train"] == [*raw.splits["official"]["train"][: len(rows)], f"train-{len(rows) + 2}"]


class _Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_that_asks_for_code_is_refused_before_it_runs(root: Path, protocol: int) -> None:
    planted = root / "planted"
    _pickle_of(root, "val").write_bytes(pickle.dumps([{"image": _Hostile(planted)}], protocol=protocol))
    with pytest.raises(UnsafePickleError, match=r"val_qa\.pkl is refused: it holds more than plain data"):
        path_vqa.read(root)
    assert not planted.exists()


def test_harmless_classes_are_refused_too(root: Path) -> None:
    _pickle_of(root, "val").write_bytes(pickle.dumps([datetime.date(2020, 1, 1)]))
    with pytest.raises(UnsafePickleError, match="GLOBAL"):
        path_vqa.read(root)


def test_a_pickle_that_asks_for_far_more_memory_than_its_size_is_refused(root: Path) -> None:
    _pickle_of(root, "val").write_bytes(b"\x80\x02]r\xff\xff\xff\x7f.")
    with pytest.raises(UnsafePickleError, match="LONG_BINPUT"):
        path_vqa.read(root)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_long_integers_whose_hashes_collide_are_refused(root: Path, protocol: int) -> None:
    colliding = {number * (2**61 - 1): "" for number in range(1, 4)}
    _pickle_of(root, "val").write_bytes(pickle.dumps([colliding], protocol=protocol))
    with pytest.raises(UnsafePickleError, match="LONG"):
        path_vqa.read(root)
    _pickle_of(root, "val").write_bytes(b"(lI2147483648\na.")
    with pytest.raises(UnsafePickleError, match="INT"):
        path_vqa.read(root)


def test_a_small_pickle_that_unfolds_to_a_huge_text_is_told_without_unfolding_it(root: Path) -> None:
    nested: list[object] = ["x"]
    for _ in range(60):
        nested = [nested, nested]
    _pickle_of(root, "val").write_bytes(pickle.dumps([nested, {"image": nested, "question": nested, "answer": nested}]))
    assert kinds(path_vqa.read(root)) == ["bad-row", "bad-row", *["unasked-image"] * 2]


@pytest.mark.parametrize("content", [b"", b"\x80\x04]", b"not a pickle", pickle.dumps([{"image": "a"}])[:-3]])
def test_damaged_pickles_are_one_error(root: Path, content: bytes) -> None:
    _pickle_of(root, "test").write_bytes(content)
    with pytest.raises(MissingDataError, match=r"test_qa\.pkl is not a whole pickle"):
        path_vqa.read(root)


def test_a_pickle_of_no_list_and_an_absent_one_are_one_error_each(root: Path) -> None:
    _pickle_of(root, "test").write_bytes(pickle.dumps({"image": "a"}))
    with pytest.raises(MissingDataError, match="holds no list but a dict"):
        path_vqa.read(root)
    _pickle_of(root, "test").unlink()
    with pytest.raises(MissingDataError, match=r"test_qa\.pkl is missing"):
        path_vqa.read(root)


def test_bad_rows_and_unasked_images_are_reported(root: Path) -> None:
    rows = read_plain_pickle(_pickle_of(root, "train"))
    rows[0]["image"] = "../../x"
    rows[1]["question"] = None
    rows[2]["answer"] = 4
    rows[3] = ["image", "question"]
    _pickle_of(root, "train").write_bytes(pickle.dumps(rows))
    (root / "images" / "test" / "test_9999.jpg").write_bytes(b"")
    raw = path_vqa.read(root)
    assert Counter(kinds(raw)) == {"bad-row": 3, "unasked-image": 1}
    assert len(raw.samples) == raw.listed - 3 == 3 * SIZE.images - 3
    assert ("4",) in {sample.answers for sample in raw.samples}
