"""VQA-Med 2019: the phantom in the form of the archives, references with alternatives, and bad input."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from medbench.errors import MissingDataError
from medbench.samples import PhantomSize
from medbench_datasets import vqa_med_2019, vqa_med_2019_phantom
from medbench_datasets.vqa_med_2019 import allowed_answers
from tests.datasets.tampering import kinds

if TYPE_CHECKING:
    from pathlib import Path

SIZE = PhantomSize(images=20, side=40, seed=0)
TRAIN_PLANE = vqa_med_2019.ARCHIVES["train"].questions(2, "plane")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    vqa_med_2019_phantom.write_phantom(tmp_path, SIZE)
    return tmp_path


def test_the_official_names_are_those_of_the_archives() -> None:
    paths = {file.path for file in vqa_med_2019.SPEC.files}
    assert "ImageClef-2019-VQA-Med-Training/QAPairsByCategory/C1_Modality_train.txt" in paths
    assert "ImageClef-2019-VQA-Med-Validation/QAPairsByCategory/C4_Abnormality_val.txt" in paths
    assert "VQAMed2019Test/VQAMed2019_Test_Images" in paths


def test_the_phantom_has_four_questions_an_image_and_one_a_tested_image(root: Path) -> None:
    raw = vqa_med_2019.read(root)
    assert raw.problems == ()
    assert {part: len(ids) for part, ids in raw.splits["official"].items()} == {"train": 48, "valid": 16, "test": 4}
    assert Counter(one.details["question_type"] for one in raw.samples) == dict.fromkeys(vqa_med_2019.CATEGORIES, 17)
    assert all((root / one.image).is_file() for one in raw.samples)
    assert {one.details["answer_type"] for one in raw.samples if one.answers[0] == "yes"} == {"CLOSED"}


@pytest.mark.parametrize(
    ("reference", "allowed"),
    [
        ("axial", ("axial",)),
        ("anaplastic oligodendroglioma#multi-cystic mass", ("anaplastic oligodendroglioma", "multi-cystic mass")),
        (
            "(angioinvasive aspergillosis with) septic emboli",
            (
                "(angioinvasive aspergillosis with) septic emboli",
                "angioinvasive aspergillosis with septic emboli",
                "septic emboli",
            ),
        ),
        ("ct w/contrast (iv)", ("ct w/contrast (iv)", "ct w/contrast iv", "ct w/contrast")),
        ("(all)#", ("(all)", "all")),
        ("", ("",)),
    ],
)
def test_references_stand_for_every_answer_they_allow(reference: str, allowed: tuple[str, ...]) -> None:
    assert allowed_answers(reference) == allowed


def test_bad_lines_are_reported_and_passed_over(root: Path) -> None:
    lines = [
        "synpic20000|what plane?",
        "|what plane?|axial",
        "synpic20000||axial",
        "../synpic20000|what plane?|axial",
        "",
        "synpic20000|what plane?|axial|coronal\r",
        "synpic20001|what plane?|",
    ]
    data = "\n".join(lines).encode() + b"\nsynpic20000|Schr\xf6der's plane?|axial\n"
    (root / TRAIN_PLANE).write_bytes(b"\xef\xbb\xbf" + data)
    raw = vqa_med_2019.read(root)
    assert Counter(kinds(raw)) == {"bad-row": 4, "empty-answer": 1, "encoding": 1}
    planes = [one for one in raw.samples if one.sample_id.startswith("train-plane-")]
    assert [(one.sample_id, one.answers) for one in planes] == [
        ("train-plane-6", ("axial|coronal",)),
        ("train-plane-7", ("",)),
        ("train-plane-8", ("axial",)),
    ]
    assert planes[2].texts == ("Schröder's plane?",)
    assert len(raw.samples) == raw.listed - 4


def test_an_absent_file_is_one_error(root: Path) -> None:
    (root / TRAIN_PLANE).unlink()
    with pytest.raises(MissingDataError, match=r"C2_Plane_train\.txt is missing"):
        vqa_med_2019.read(root)
