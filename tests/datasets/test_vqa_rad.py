"""VQA-RAD: the real files whole, the official layout, the phantom, and bad input."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from medbench.datasets import DatasetFiles
from medbench.errors import MissingDataError
from medbench.preparation import examine
from medbench.progress import Reporter
from medbench.samples import PhantomSize
from medbench_datasets import vqa_rad, vqa_rad_phantom
from tests.datasets.tampering import kinds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZE = PhantomSize(images=9, side=40, seed=3)
Rows = list[dict[str, Any]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    vqa_rad_phantom.write_phantom(tmp_path, SIZE)
    return tmp_path


def edit(path: Path, change: Callable[[Rows], object]) -> None:
    rows = json.loads(path.read_text(encoding="utf-8"))
    change(rows)
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")


def test_the_real_files_are_read_whole(shared: Path) -> None:
    raw = vqa_rad.read(shared / "data" / "vqa-rad")
    assert len(raw.samples) == raw.listed == 3515
    assert [(one.kind, one.where) for one in raw.problems] == [("unasked-image", "images/synpic35356.jpg")]
    assert {split.name: dict(split.sizes) for split in vqa_rad.SPEC.splits if split.name != "official-disjoint"} == {
        name: {part: len(ids) for part, ids in raw.splits[name].items()} for name in ("official", "public")
    }
    by_id = {sample.sample_id: sample for sample in raw.samples}
    assert len(by_id) == 3515
    images = {part: {by_id[one].image for one in ids} for part, ids in raw.splits["official"].items()}
    assert (len(images["train"]), len(images["test"])) == (314, 203)
    assert images["test"] <= images["train"]


def test_real_answer_types_are_stripped_and_kept_as_released(shared: Path) -> None:
    raw = vqa_rad.read(shared / "data" / "vqa-rad")
    by_id = {sample.sample_id: sample.details for sample in raw.samples}
    train, test = (
        Counter((by_id[one]["answer_type"], by_id[one]["answer_type_as_released"]) for one in ids)
        for ids in raw.splits["official"].values()
    )
    assert train == {("CLOSED", "CLOSED"): 1821, ("CLOSED", "CLOSED "): 2, ("OPEN", "OPEN"): 1241}
    assert test == {("CLOSED", "CLOSED"): 272, ("OPEN", "OPEN"): 179}


def test_the_real_disjoint_split_shares_no_image_and_tests_what_is_published(shared: Path) -> None:
    raw = vqa_rad.read(shared / "data" / "vqa-rad")
    by_id = {sample.sample_id: sample for sample in raw.samples}
    parts = raw.splits["official-disjoint"]
    images = {part: {by_id[one].patient_id for one in ids} for part, ids in parts.items()}
    assert parts["test"] == raw.splits["official"]["test"]
    assert not images["train"] & images["valid"]
    assert not (images["train"] | images["valid"]) & images["test"]
    assert len(images["train"] | images["valid"]) == 314 - 203
    assert len(images["valid"]) == 17


def test_the_phantom_reads_back_as_it_was_drawn(root: Path) -> None:
    raw = vqa_rad.read(root)
    assert raw.problems == ()
    told = {(case.name, one.question, one.answer) for case in vqa_rad_phantom.draw_cases(SIZE) for one in case.asked}
    assert {(one.patient_id, one.texts[0], one.answers[0]) for one in raw.samples} == told
    assert {one.details["answer_type"] for one in raw.samples} == {"CLOSED", "OPEN"}


def test_the_core_prepares_the_phantom(root: Path, tmp_path: Path) -> None:
    (root / "PHANTOM.json").write_text("{}")
    files = DatasetFiles(vqa_rad.SPEC, root, (), tmp_path / "info.json", tmp_path / "table.parquet")
    info = examine(files, Reporter()).info
    assert info.samples == info.expected_samples
    assert {group.kind for group in info.problems} == {"shared-patient", "shared-pixels"}


def test_the_official_layout_divides_by_phrase_type(root: Path) -> None:
    train, test = (json.loads((root / name).read_text()) for name in (vqa_rad.TRAIN_FILE, vqa_rad.TEST_FILE))
    train = [row for row in train if row["phrase_type"] != "frame"]
    test = [row | {"phrase_type": f"test_{row['phrase_type']}"} for row in test]
    rows = [row | {"qid": str(row["qid"])} for row in [*test, *train]]
    (root / vqa_rad.PUBLIC_FILE).write_bytes(b"\xef\xbb\xbf" + json.dumps(rows).encode())
    mevf = vqa_rad.read(root)
    for name in (vqa_rad.TRAIN_FILE, vqa_rad.TEST_FILE):
        (root / name).unlink()
    (root / vqa_rad.IMAGES).rename(root / vqa_rad.PUBLIC_IMAGES)
    raw = vqa_rad.read(root)
    (problem,) = raw.problems
    assert (problem.kind, problem.where) == ("missing-list", vqa_rad.PUBLIC_FILE)
    assert "official and official-disjoint need trainset.json and testset.json" in problem.detail
    assert raw.splits == {"public": mevf.splits["public"]}
    assert all((root / sample.image).is_file() for sample in raw.samples)


def test_rows_that_cannot_be_asked_are_reported_and_passed_over(root: Path) -> None:
    def spoil(rows: Rows) -> None:
        rows[0]["question"] = "  "
        rows[1]["image_name"] = "../../secret.jpg"
        rows[2]["image_name"] = None
        rows[3]["answer_type"] = "MAYBE"
        rows[4]["answer"] = ["yes"]
        rows[5]["qid"] = rows[6]["qid"]
        rows[7]["question"] = 7
        rows[8]["answer"] = True
        rows.append("no object")  # type: ignore[arg-type]

    edit(root / vqa_rad.TRAIN_FILE, spoil)
    before = len(json.loads((root / vqa_rad.TRAIN_FILE).read_text())) + SIZE.images // 3 * 3
    raw = vqa_rad.read(root)
    assert Counter(kinds(raw)) == {"bad-row": 8, "duplicate-id": 1}
    assert (len(raw.samples), raw.listed) == (before - 9, before - 1)
    assert not any("secret" in sample.image for sample in raw.samples)
    assert all(f"{vqa_rad.TRAIN_FILE}[" in problem.where for problem in raw.problems)


def test_numbers_long_and_foreign_texts_and_identical_rows_are_taken_as_they_are(root: Path) -> None:
    long = "where " * 5000

    def change(rows: Rows) -> None:
        rows[0] |= {"answer": 3, "answer_type": "closed "}
        rows[1] |= {"answer": 2.0, "question": long}
        rows[2] |= {"answer": "左肺", "question": "阴影在哪里?"}
        rows[3] |= {"answer": ""}
        rows.append(rows[4] | {"qid": 99999})

    edit(root / vqa_rad.TRAIN_FILE, change)
    raw = vqa_rad.read(root)
    assert kinds(raw) == ["empty-answer"]
    samples = [sample for sample in raw.samples if sample.sample_id in raw.splits["official"]["train"]]
    assert [sample.answers for sample in samples[:4]] == [("3",), ("2",), ("左肺",), ("",)]
    assert samples[0].details["answer_type"] == "CLOSED"
    assert samples[0].details["answer_type_as_released"] == "closed "
    assert samples[1].texts == (long.strip(),)
    assert (samples[-1].texts, samples[-1].answers) == (samples[4].texts, samples[4].answers)


def test_halves_of_characters_are_replaced_in_texts_and_refused_in_ids_and_long_names_are_reported(
    root: Path, tmp_path: Path
) -> None:
    def spoil(rows: Rows) -> None:
        rows[0] |= {"question": "left\tor \ud800 right?", "answer": "\udc00", "image_organ": "CHEST\ud800"}
        rows[1]["qid"] = "\ud800"
        rows[2]["image_name"] = "\ud800.jpg"
        rows[3]["image_name"] = f"{'x' * 300}.jpg"

    path = root / vqa_rad.TRAIN_FILE
    rows = json.loads(path.read_text())
    spoil(rows)
    path.write_text(json.dumps(rows))
    raw = vqa_rad.read(root)
    assert Counter(kinds(raw)) == {"encoding": 1, "bad-row": 3}
    first = raw.samples[0]
    assert (first.texts, first.answers, first.details["image_organ"]) == (
        ("left\tor \ufffd right?",),
        ("\ufffd",),
        "CHEST\ufffd",
    )
    files = DatasetFiles(vqa_rad.SPEC, root, (), tmp_path / "info.json", tmp_path / "table.parquet")
    info = examine(files, Reporter(), allow_incomplete=True).info
    assert json.dumps(msgspec.to_builtins(info), ensure_ascii=False).encode()


def test_an_image_without_a_question_is_told_and_clutter_is_not(root: Path) -> None:
    for name in ("extra.jpg", ".hidden.jpg", "Thumbs.db"):
        (root / vqa_rad.IMAGES / name).write_bytes(b"")
    assert [(one.kind, one.where) for one in vqa_rad.read(root).problems] == [("unasked-image", "images/extra.jpg")]


@pytest.mark.parametrize("content", ['[{"qid": 1, "question": "Is', '{"qid": 1}', "[" * 100_000, "\ud800"])
def test_files_that_are_no_json_list_are_one_error(root: Path, content: str) -> None:
    (root / vqa_rad.TEST_FILE).write_text(content, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(MissingDataError, match=r"testset\.json"):
        vqa_rad.read(root)


def test_absent_files_are_one_error(root: Path) -> None:
    (root / vqa_rad.TEST_FILE).unlink()
    with pytest.raises(MissingDataError, match=r"testset\.json is missing"):
        vqa_rad.read(root)
    (root / vqa_rad.TRAIN_FILE).unlink()
    with pytest.raises(MissingDataError, match="neither"):
        vqa_rad.read(root)
