"""COVIDx: the phantom, both sets of lists, the published division, and bad lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.errors import MissingDataError
from medbench.samples import PhantomSize, RawDataset
from medbench_datasets import covidx, covidx_lists, covidx_phantom

if TYPE_CHECKING:
    from pathlib import Path

SIZE = PhantomSize(images=24, side=40, seed=4)
CASES = list(covidx_phantom.draw_cases(SIZE))
WORD = st.text(st.characters(blacklist_categories=["Z", "C"]), min_size=1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    covidx_phantom.write_phantom(tmp_path, SIZE)
    return tmp_path


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """9A lists of made-up names, without images."""
    _write(tmp_path / "train_COVIDx9A.txt", [f"{number} {number}.png normal rsna" for number in range(10)])
    _write(tmp_path / "test_COVIDx9A.txt", ["t1 a.png COVID-19 cohen", "t2 b.png pneumonia rsna"])
    return tmp_path


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _append(path: Path, *lines: str) -> None:
    path.write_text(path.read_text() + "".join(f"{line}\n" for line in lines))


def _told(raw: RawDataset) -> list[tuple[str, str]]:
    return [(problem.kind, problem.where) for problem in raw.problems]


def test_the_phantom_reads_back_with_the_labels_of_both_sets(root: Path) -> None:
    raw = covidx.read(root)
    assert raw.problems == ()
    by_id = {sample.sample_id: sample for sample in raw.samples}
    assert set(by_id) == {f"{case.part}/{case.name}" for case in CASES}
    for case in CASES:
        sample = by_id[f"{case.part}/{case.name}"]
        expected = {"Positive": int(case.finding == "COVID-19")}
        if case.part != "val":
            held = {"normal": "Normal", "pneumonia": "Pneumonia"}.get(case.finding, "COVID-19")
            expected |= {name: int(name == held) for name in covidx_lists.CLASSES}
        assert sample.labels == expected
        assert sample.patient_id == case.patient
        assert (root / sample.image).is_file()
    assert len({sample.patient_id for sample in raw.samples}) < len(raw.samples)


def test_cxr_4_keeps_its_official_parts_and_9a_divides_its_train_list(root: Path) -> None:
    splits = covidx.read(root).splits
    folders = {"train": "train", "valid": "val", "test": "test"}
    for part, folder in folders.items():
        assert splits["cxr-4"][part] == [f"{folder}/{case.name}" for case in CASES if case.part == folder]
    trained = [f"train/{case.name}" for case in CASES if case.part == "train"]
    assert sorted(splits["9a"]["train"] + splits["9a"]["valid"]) == sorted(trained)
    assert len(splits["9a"]["train"]) == int(0.8 * len(trained))
    assert splits["9a"]["test"] == splits["cxr-4"]["test"]


def test_the_official_number_of_lines_gives_the_published_sizes(lists: Path) -> None:
    _write(lists / "train_COVIDx9A.txt", [f"{number} {number}.png normal rsna" for number in range(29_986)])
    parts = covidx.read(lists).splits["9a"]
    sizes = covidx.SPEC.split("9a").sizes
    assert (len(parts["train"]), len(parts["valid"])) == (sizes["train"], sizes["valid"]) == (23_988, 5_998)
    assert sum(covidx.SPEC.split("cxr-4").sizes.values()) == 84_818


def _patients(raw: RawDataset, split: str) -> dict[str, set[str]]:
    patient_of = {sample.sample_id: sample.patient_id for sample in raw.samples}
    return {part: {patient_of[one] for one in ids} for part, ids in raw.splits[split].items()}


def test_the_first_split_is_by_patient_and_shares_nobody_with_the_test_list(lists: Path) -> None:
    _write(
        lists / "train_COVIDx9A.txt",
        [f"{number // 3} {number}.png normal rsna" for number in range(60)] + ["t1 t.png normal rsna"],
    )
    raw = covidx.read(lists)
    assert covidx.SPEC.splits[0].name == next(iter(raw.splits)) == "9a-patient"
    patients = _patients(raw, "9a-patient")
    assert {part: len(members) for part, members in patients.items()} == {"train": 16, "valid": 4, "test": 2}
    assert len(set().union(*patients.values())) == 22
    assert raw.splits["9a-patient"]["test"] == raw.splits["9a"]["test"] == ["test/a.png", "test/b.png"]
    in_train = [*raw.splits["9a-patient"]["train"], *raw.splits["9a-patient"]["valid"]]
    assert sorted(in_train) == sorted(f"train/{number}.png" for number in range(60))
    assert _told(raw) == [("shared-patient", "split 9a-patient")]
    released = _patients(raw, "9a")
    assert released["train"] & released["valid"]


def test_where_the_sets_number_a_patient_differently_each_number_counts_in_its_set(lists: Path) -> None:
    for name in ("train", "val", "test"):
        lines = (
            [f"{number + 1} {number}.png negative rsna" for number in range(3)]
            if name == "train"
            else ["1 v.png positive c"]
        )
        _write(lists / f"{name}.txt", lines)
    raw = covidx.read(lists)
    by_id = {sample.sample_id: sample.patient_id for sample in raw.samples}
    assert (by_id["train/1.png"], by_id["val/v.png"]) == ("9a/1", "cxr-4/1")
    assert [(one.kind, one.detail[:9]) for one in raw.problems] == [("patient-disagreement", "3 images ")]
    assert raw.listed == len(raw.samples) == 14
    _write(lists / "train.txt", [f"{number} {number}.png negative rsna" for number in range(3)])
    agreed = covidx.read(lists)
    assert agreed.problems == ()
    assert {sample.patient_id for sample in agreed.samples} == {*map(str, range(10)), "t1", "t2"}


def test_either_set_of_lists_may_be_absent_and_older_binary_lists_are_not_cxr_4(root: Path, lists: Path) -> None:
    for name in ("train.txt", "test.txt"):  # an older edition ships these beside the images of 9A
        _write(lists / name, ["1 1.png positive cohen"])
    (root / "val.txt").unlink()
    raw = covidx.read(root)
    assert list(raw.splits) == ["9a-patient", "9a"]
    assert all(covidx_lists.LABEL not in sample.labels for sample in raw.samples)


def test_cxr_4_alone_knows_only_positive(root: Path) -> None:
    for name in covidx_lists.LISTS_9A:
        (root / name).unlink()
    raw = covidx.read(root)
    assert set(raw.splits) == {"cxr-4"}
    assert {frozenset(sample.labels) for sample in raw.samples} == {frozenset({"Positive"})}


def test_names_are_kept_whole_so_that_dots_do_not_collapse_them(lists: Path) -> None:
    _append(lists / "train_COVIDx9A.txt", "p DX.1.2.png pneumonia c", "p DX.1.3.png COVID-19 c", "p a b.png normal c")
    by_id = {sample.sample_id: sample.labels for sample in covidx.read(lists).samples}
    assert by_id["train/DX.1.2.png"]["Pneumonia"] == by_id["train/DX.1.3.png"]["COVID-19"] == 1
    assert by_id["train/a b.png"]["Normal"] == 1


def test_bad_lines_are_reported_and_the_others_stay_where_they_were(lists: Path) -> None:
    path = lists / "train_COVIDx9A.txt"
    before = covidx.read(lists).splits["9a"]
    lines = path.read_text().splitlines()
    spoilt = {1: "1 1.png", 3: "3 ../3.png normal rsna", 5: "5 /5.png normal rsna", 7: "7 7.png positive rsna"}
    _write(path, [spoilt.get(number, line) for number, line in enumerate(lines)])
    raw = covidx.read(lists)
    assert _told(raw) == [("bad-row", f"train_COVIDx9A.txt:{number + 1}") for number in spoilt]
    gone = {f"train/{number}.png" for number in spoilt}
    assert raw.listed == 12
    for part, ids in before.items():
        assert raw.splits["9a"][part] == [one for one in ids if one not in gone]


def test_an_image_of_two_classes_is_left_out_and_of_one_is_taken_once(lists: Path) -> None:
    _append(lists / "train_COVIDx9A.txt", "9 1.png pneumonia rsna", "2 2.png normal rsna", "x 3.PNG normal rsna")
    raw = covidx.read(lists)
    assert [kind for kind, _ in _told(raw)] == ["colliding-name", "duplicate-row"]
    assert "normal and as pneumonia" in raw.problems[0].detail
    assert raw.listed == len(raw.samples) + 1 == 13
    ids = [*raw.splits["9a"]["train"], *raw.splits["9a"]["valid"]]
    assert "train/1.png" not in ids
    assert ids.count("train/2.png") == 1
    assert {"train/3.png", "train/3.PNG"} <= set(ids)


def test_a_class_unknown_to_9a_is_the_third_one_and_said(lists: Path) -> None:
    _append(lists / "test_COVIDx9A.txt", "t3 c.png SARS cohen")
    raw = covidx.read(lists)
    assert _told(raw) == [("other-class", "test_COVIDx9A.txt:3")]
    assert raw.samples[-1].labels == {"Normal": 0, "Pneumonia": 0, "COVID-19": 1}


def test_a_byte_order_mark_and_blank_lines_change_nothing(lists: Path) -> None:
    before = covidx.read(lists)
    path = lists / "train_COVIDx9A.txt"
    path.write_text("\ufeff\n" + path.read_text().replace("\n", "\r\n\n"), encoding="utf-8")
    assert covidx.read(lists) == before


def test_missing_broken_and_empty_lists_are_one_error_each(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.raises(MissingDataError, match=r"neither train_COVIDx9A\.txt and test_COVIDx9A\.txt nor"):
        covidx.read(tmp_path_factory.mktemp("none"))
    content = (root / "test.txt").read_bytes()
    (root / "test.txt").unlink()
    with pytest.raises(MissingDataError, match=r"has train\.txt, val\.txt but not test\.txt"):
        covidx.read(root)
    (root / "test.txt").write_bytes(b"\xff\xfe1 2.png")
    with pytest.raises(MissingDataError, match=r"test\.txt is not readable text"):
        covidx.read(root)
    (root / "test.txt").write_bytes(b"")
    with pytest.raises(MissingDataError, match=r"test\.txt has no usable line - patient"):
        covidx.read(root)
    (root / "test.txt").write_bytes(content.replace(b" positive", b" 1").replace(b" negative", b" 0"))
    with pytest.raises(MissingDataError, match=r"first: line 1: class '[01]' is neither positive nor negative"):
        covidx.read(root)


@given(st.lists(WORD, max_size=7), st.sampled_from([" ", "  ", "\t", " \t"]), st.sampled_from(["", " "]))
def test_a_line_has_four_words_or_more_and_its_fields_come_back(words: list[str], gap: str, end: str) -> None:
    line = covidx_lists.parse_line(7, end + gap.join(words) + end)
    if len(words) < 4:
        assert line is None
    else:
        patient, *name, finding, _ = words
        assert line == covidx_lists.Line(7, patient, " ".join(name), finding.lower())
