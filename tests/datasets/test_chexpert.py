"""CheXpert: real columns, the phantom, and bad input; its splits are tested in test_chexpert_splits.py."""

from __future__ import annotations

import shutil
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from medbench.errors import MissingDataError
from medbench.images import read_grey
from medbench.samples import UNCERTAIN, PhantomSize
from medbench_datasets import chexpert, chexpert_phantom
from tests.datasets.tampering import edit_csv, kinds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.datasets.tampering import Rows

SIZE = PhantomSize(images=24, side=40, seed=1)
CASES = {case.path: case for case in chexpert_phantom.draw_cases(SIZE)}
TRAIN_SIZE = sum(case.table == chexpert.TRAIN_FILE for case in CASES.values())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    chexpert_phantom.write_phantom(tmp_path, SIZE)
    return tmp_path


def _edit_row(root: Path, column: str, cell: str, *, row: int = 1) -> None:
    def edit(rows: Rows) -> None:
        rows[row][rows[0].index(column)] = cell

    edit_csv(root / chexpert.TRAIN_FILE, edit)


def test_tables_in_the_official_columns_are_read(shared: Path, tmp_path: Path) -> None:
    shutil.copy(shared / "data/annotations/synthetic-formats/chexpert_train.csv", tmp_path / chexpert.TRAIN_FILE)
    shutil.copy(shared / "data/nih-chestxray14-sample/chexpert_format_valid.csv", tmp_path / chexpert.VALID_FILE)
    raw = chexpert.read(tmp_path)
    assert kinds(raw) == []
    first, second = raw.samples[0], raw.samples[1]
    assert first.image == "train/patient990000/study1/view1_lateral.jpg"
    assert (first.patient_id, first.attributes) == ("patient990000", {"sex": "F", "age": "72", "view": "Lateral"})
    assert first.labels["No Finding"] == UNCERTAIN
    assert first.labels["Lung Opacity"] == 1
    assert "Lung Lesion" not in first.labels
    assert (second.attributes["sex"], second.attributes["view"]) == ("M", "PA")
    nih = [sample for sample in raw.samples if sample.image.startswith("valid/")]
    assert [sample.sample_id for sample in nih] == raw.splits["patient"]["test"]
    assert sum(sample.labels["Pneumothorax"] for sample in nih) > 0


def test_the_phantom_reads_back_as_it_was_drawn(root: Path) -> None:
    raw = chexpert.read(root)
    assert kinds(raw) == []
    assert {sample.sample_id for sample in raw.samples} == CASES.keys()
    for sample in raw.samples:
        case = CASES[sample.sample_id]
        assert sample.labels == case.labels
        assert {name for name, value in sample.labels.items() if value == 1} - {"No Finding"} <= case.findings
        assert sample.attributes == {"sex": case.sex, "age": case.age, "view": case.view or "Lateral"}
        assert read_grey(root / sample.image).shape == (SIZE.side, SIZE.side)
    values = set(chain.from_iterable(sample.labels.values() for sample in raw.samples))
    assert values == {0, 1, UNCERTAIN}
    assert len({sample.patient_id for sample in raw.samples}) < len(raw.samples)
    assert any(len(sample.labels) < len(chexpert.LABELS) for sample in raw.samples)


def test_splits_hold_frontal_images_and_share_no_patient(root: Path) -> None:
    raw = chexpert.read(root)
    frontal = {sample.sample_id for sample in raw.samples if sample.attributes["view"] != "Lateral"}
    assert len(frontal) < len(raw.samples)
    patient_of = {sample.sample_id: sample.patient_id for sample in raw.samples}
    parts = raw.splits["patient"]
    assert set(chain.from_iterable(parts.values())) | set(raw.splits["5x200"]["test"]) == frontal
    patients = [{patient_of[one] for one in ids} for ids in parts.values()]
    assert all(patients)
    assert sum(map(len, patients)) == len(set().union(*patients))


@pytest.mark.parametrize(
    ("column", "cell", "kind"),
    [
        ("Edema", "maybe", "bad-row"),
        ("Edema", "0.5", "bad-row"),
        ("Path", "", "bad-row"),
        ("Path", "x/../patient00001/a.jpg", "bad-row"),
        ("Path", "/etc/patient00001/a.jpg", "bad-row"),
        ("Path", "x/train/somebody/a.jpg", "bad-row"),
        ("Path", "x/train/patient00001/a.txt", "bad-row"),
        ("Frontal/Lateral", "Oblique", "bad-row"),
    ],
)
def test_a_malformed_row_is_left_out_and_the_others_stay(root: Path, column: str, cell: str, kind: str) -> None:
    before = chexpert.read(root)
    _edit_row(root, column, cell)
    raw = chexpert.read(root)
    assert [(one.kind, one.where) for one in raw.problems if one.kind != "count"] == [(kind, "train.csv:2")]
    assert raw.listed == SIZE.images
    assert [sample.sample_id for sample in raw.samples] == [sample.sample_id for sample in before.samples[1:]]


def test_a_row_with_a_cell_beyond_the_header_is_bad(root: Path) -> None:
    edit_csv(root / chexpert.TRAIN_FILE, lambda rows: rows[1].append("x"))
    assert [(one.kind, one.where) for one in chexpert.read(root).problems if one.kind != "count"] == [
        ("bad-row", "train.csv:2")
    ]


def test_a_malformed_row_keeps_its_place_in_the_released_division(root: Path) -> None:
    released = chexpert.read(root).splits["as-released"]
    lost = next(path for path in released["train"] if len(CASES[path].findings) != 1)
    row = [path for path, case in CASES.items() if case.table == chexpert.TRAIN_FILE].index(lost) + 1
    _edit_row(root, "Fracture", "?", row=row)
    after = chexpert.read(root).splits["as-released"]
    assert after == {part: [one for one in ids if one != lost] for part, ids in released.items()}


def test_nan_is_unknown_and_odd_attributes_are_dropped(root: Path) -> None:
    for column, cell in (("Edema", "NaN"), ("Sex", "Unknown"), ("Age", "old"), ("AP/PA", "")):
        _edit_row(root, column, cell)
    _edit_row(root, "Frontal/Lateral", "Frontal")
    raw = chexpert.read(root)
    assert kinds(raw) == []
    assert "Edema" not in raw.samples[0].labels
    assert raw.samples[0].attributes == {}


@pytest.mark.parametrize(
    "prefix", ["", "./", "CheXpert-v1.0/", "./CheXpert-v1.0-small/", "data/CheXpert//", "D:\\CheXpert\\", "/mnt/x/"]
)
def test_whatever_is_before_train_or_valid_is_dropped(root: Path, prefix: str) -> None:
    before = chexpert.read(root)

    def move(rows: Rows) -> None:
        for row in rows[1:]:
            row[0] = prefix + row[0].partition("/")[2]
            row[0] = row[0].replace("/", "\\") if "\\" in prefix else row[0]

    for name in (chexpert.TRAIN_FILE, chexpert.VALID_FILE):
        edit_csv(root / name, move)
    assert chexpert.read(root) == before


def test_names_of_another_case_are_samples_and_repeated_rows_are_reported(root: Path) -> None:
    def repeat(rows: Rows) -> None:
        rows += [rows[1], [rows[2][0].replace("view1", "VIEW1"), *rows[2][1:]]]

    edit_csv(root / chexpert.TRAIN_FILE, repeat)
    raw = chexpert.read(root)
    assert kinds(raw) == ["duplicate-row"]
    assert len(raw.samples) == raw.listed == SIZE.images + 1


def test_a_patient_of_both_tables_is_left_out_of_training(root: Path) -> None:
    stranger = next(case.path.split("/")[1] for case in CASES.values() if case.table == chexpert.VALID_FILE)

    def add(rows: Rows) -> None:
        rows.append([f"x/train/{stranger}/study9/view1_frontal.jpg", *rows[1][1:3], "Frontal", "AP", *[""] * 14])

    edit_csv(root / chexpert.TRAIN_FILE, add)
    raw = chexpert.read(root)
    added = f"train/{stranger}/study9/view1_frontal.jpg"
    assert kinds(raw) == ["shared-patient"]
    assert added in {sample.sample_id for sample in raw.samples}
    assert added not in set(chain.from_iterable(raw.splits["patient"].values()))


def test_an_absent_image_is_left_to_the_preparation(root: Path) -> None:
    (root / next(iter(CASES))).unlink()
    raw = chexpert.read(root)
    assert kinds(raw) == []
    assert len(raw.samples) == SIZE.images


def test_a_byte_order_mark_changes_nothing_and_another_number_of_rows_is_told(root: Path) -> None:
    before = chexpert.read(root)
    table = root / chexpert.TRAIN_FILE
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert chexpert.read(root) == before
    assert [one.kind for one in before.problems] == ["count"] * 3
    assert f"{TRAIN_SIZE} rows, officially 223,414" in before.problems[0].detail


def test_a_missing_or_empty_table_or_column_is_one_error(root: Path) -> None:
    table = root / chexpert.VALID_FILE
    content = table.read_text()
    table.write_text(content.replace("Pleural Effusion", "Effusion", 1))
    with pytest.raises(MissingDataError, match=r"valid\.csv has no column 'Pleural Effusion'"):
        chexpert.read(root)
    table.write_text("")
    with pytest.raises(MissingDataError, match=r"valid\.csv has no column 'Path'"):
        chexpert.read(root)
    table.unlink()
    with pytest.raises(MissingDataError, match=r"valid\.csv is missing"):
        chexpert.read(root)


def test_tables_without_a_row_give_no_sample(root: Path) -> None:
    for name in (chexpert.TRAIN_FILE, chexpert.VALID_FILE):
        edit_csv(root / name, lambda rows: rows.__delitem__(slice(1, None)))
    raw = chexpert.read(root)
    assert raw.samples == ()
    assert not any(chain.from_iterable(parts.values() for parts in raw.splits.values()))
