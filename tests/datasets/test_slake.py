"""SLAKE: the real question files, the phantom, and bad input."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from medbench.errors import MissingDataError
from medbench.images import read_grey
from medbench.samples import PhantomSize
from medbench_datasets import json_rows, slake, slake_phantom
from tests.datasets.tampering import kinds

if TYPE_CHECKING:
    from pathlib import Path

SIZE = PhantomSize(images=5, side=40, seed=1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    slake_phantom.write_phantom(tmp_path, SIZE)
    return tmp_path


def test_the_real_files_have_the_published_counts(shared: Path) -> None:
    raw = slake.read(shared / "data" / "slake")
    assert {split.name: dict(split.sizes) for split in slake.SPEC.splits} == {
        name: {part: len(ids) for part, ids in parts.items()} for name, parts in raw.splits.items()
    }
    assert len({sample.sample_id for sample in raw.samples}) == raw.listed == 14028
    assert [(one.kind, one.where) for one in raw.problems] == [("empty-answer", "train.json.gz[1622]")]


def test_real_english_questions_are_open_and_closed_on_disjoint_cases(shared: Path) -> None:
    raw = slake.read(shared / "data" / "slake")
    by_id = {sample.sample_id: sample for sample in raw.samples}
    samples = {part: [by_id[one] for one in ids] for part, ids in raw.splits["english"].items()}
    types = {part: Counter(one.details["answer_type"] for one in ones) for part, ones in samples.items()}
    assert types["train"] == {"OPEN": 2976, "CLOSED": 1943}
    assert types["valid"] == {"OPEN": 631, "CLOSED": 422}
    assert types["test"] == {"OPEN": 645, "CLOSED": 416}
    cases = {part: {one.patient_id for one in ones} for part, ones in samples.items()}
    assert {part: len(members) for part, members in cases.items()} == {"train": 450, "valid": 96, "test": 96}
    assert len(set.union(*cases.values())) == 642
    assert len({one.patient_id for one in raw.samples}) == 642
    assert {one.details["question_type"] for one in samples["test"]} >= {"Organ", "KG", "Plane"}


def test_the_phantom_is_in_two_languages_and_its_images_are_there(root: Path) -> None:
    raw = slake.read(root)
    assert raw.problems == ()
    assert {one.details["language"] for one in raw.samples} == {"en", "zh"}
    assert len(raw.splits["english"]["test"]) * 2 == len(raw.splits["all"]["test"])
    assert all(read_grey(root / one.image).shape == (40, 40) for one in raw.samples)
    assert {one.patient_id for one in raw.samples} == {f"xmlab{index}" for index in range(SIZE.images)}


def test_packed_files_and_byte_order_marks_are_read_alike(root: Path) -> None:
    before = slake.read(root)
    for stem in slake.FILES.values():
        path = root / f"{stem}.json"
        (root / f"{stem}.json.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + path.read_bytes()))
        path.unlink()
    assert slake.read(root) == before


def test_bad_rows_are_passed_over_and_masks_are_no_images(root: Path) -> None:
    rows = json.loads((root / "validate.json").read_text(encoding="utf-8"))
    rows[0]["img_name"] = "/etc/passwd"
    rows[1]["question"] = ""
    del rows[2]["answer_type"]
    rows[3]["content_type"] = ["Organ"]
    rows[4]["qid"] = 0
    (root / "validate.json").write_text(json.dumps(rows), encoding="utf-8")
    (root / "imgs" / "xmlab0" / "mask.png").write_bytes(b"")
    (root / "imgs" / "xmlab99").mkdir()
    (root / "imgs" / "xmlab99" / "source.jpg").write_bytes(b"")
    raw = slake.read(root)
    assert Counter(kinds(raw)) == {"bad-row": 4, "duplicate-id": 1, "unasked-image": 1}
    assert len(raw.splits["all"]["valid"]) == len(rows) - 5
    assert "0" in raw.splits["all"]["train"]


def test_a_packed_file_that_unfolds_beyond_all_measure_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "LARGEST", 1000)
    (root / "test.json").unlink()
    (root / "test.json.gz").write_bytes(gzip.compress(b"[" + b" " * 100_000 + b"]"))
    with pytest.raises(MissingDataError, match=r"test\.json\.gz holds more than 1,000 bytes"):
        json_rows.read_json(root / "test.json.gz")


def test_files_that_are_absent_or_cut_short_are_one_error(root: Path) -> None:
    packed = gzip.compress((root / "test.json").read_bytes())
    (root / "test.json").write_text('[{"qid": 1,', encoding="utf-8")
    with pytest.raises(MissingDataError, match=r"test\.json is not JSON .*line 1 column"):
        slake.read(root)
    (root / "test.json").unlink()
    with pytest.raises(MissingDataError, match=r"no test\.json"):
        slake.read(root)
    (root / "test.json.gz").write_bytes(packed[:-20])
    with pytest.raises(MissingDataError, match="not a whole gzip file"):
        slake.read(root)
