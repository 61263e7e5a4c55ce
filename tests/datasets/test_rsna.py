"""RSNA: the real label file, the phantom, and bad input."""

from __future__ import annotations

import csv
import gzip
import zipfile
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from medbench.errors import MissingDataError
from medbench.masks import box_mask
from medbench.samples import PhantomSize, RawDataset
from medbench_datasets import rsna, rsna_medslip, rsna_phantom
from tests.datasets.tampering import edit_csv, kinds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.datasets.tampering import Rows

SIZE = PhantomSize(images=12, side=48, seed=3)
CASES = {case.person.patient_id: case for case in rsna_phantom.draw_cases(SIZE)}
PATIENTS = list(CASES)
POSITIVE = next(patient for patient in PATIENTS if CASES[patient].boxes)
NEGATIVE = next(patient for patient in PATIENTS if not CASES[patient].boxes)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rsna_phantom.write_phantom(tmp_path, SIZE)
    return tmp_path


@pytest.fixture(scope="module")
def official(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    """What is read from the real, complete label file, without images."""
    root = tmp_path_factory.mktemp("rsna")
    with zipfile.ZipFile(shared / "data/annotations/rsna/stage_2_train_labels.csv.zip") as archive:
        (root / rsna.LABELS_FILE).write_bytes(archive.read(archive.namelist()[0]))
    shipped = shared / "data/annotations/medslip/rsna_test.csv.gz"
    (root / rsna_medslip.FILE).write_bytes(gzip.decompress(shipped.read_bytes()))
    return rsna.read(root)


def test_the_official_label_file_is_read_without_a_problem(official: RawDataset) -> None:
    assert official.problems == ()
    assert len(official.samples) == official.listed == rsna.PATIENTS
    assert sum(sample.labels[rsna.LABEL] for sample in official.samples) == 6_012
    assert sum(len(sample.boxes or ()) for sample in official.samples) == 9_555
    ids = [sample.sample_id for sample in official.samples]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("split", rsna.SPEC.splits, ids=lambda split: split.name)
def test_official_splits_have_the_published_sizes_and_share_nobody(official: RawDataset, split: rsna.SplitSpec) -> None:
    parts = official.splits[split.name]
    assert {part: len(ids) for part, ids in parts.items()} == split.sizes
    if split.name != rsna.MEDSLIP:
        assert len(set(chain.from_iterable(parts.values()))) == rsna.PATIENTS
    positive = {sample.sample_id for sample in official.samples if sample.labels[rsna.LABEL]}
    for ids in parts.values():
        assert len(positive & set(ids)) / len(ids) == pytest.approx(6_012 / rsna.PATIENTS, abs=0.01)


def test_the_list_that_medslip_ships_has_the_published_prevalence(official: RawDataset) -> None:
    test = official.splits["medslip"]["test"]
    positive = {sample.sample_id for sample in official.samples if sample.labels[rsna.LABEL]}
    assert (len(test), len(set(test)), len(positive & set(test))) == (5_337, 5_337, 1_218)
    assert round(len(positive & set(test)) / len(test), 4) == 0.2282
    assert test[0] == "397fe03a-f56e-4903-8132-8494d0e9f82c"


def test_the_phantom_list_holds_a_third_of_the_patients_with_their_boxes(root: Path) -> None:
    assert rsna.read(root).splits["medslip"] == {"test": PATIENTS[::3]}
    with (root / rsna_medslip.FILE).open(newline="") as file:
        rows = {row["ID"]: row for row in csv.DictReader(file)}
    for patient, row in rows.items():
        boxes = [] if row["boxes"] == "nan" else [tuple(map(float, box.split(";"))) for box in row["boxes"].split("|")]
        assert boxes == [pytest.approx(box[1:], abs=0.051) for box in CASES[patient].boxes]
        assert row["classes"] == str(int(bool(boxes)))
    assert {row["classes"] for row in rows.values()} == {"0", "1"}
    (root / rsna_medslip.FILE).unlink()
    assert set(rsna.read(root).splits) == {"detection", "classification"}


def test_unknown_repeated_and_contradicting_ids_of_the_medslip_list_are_reported(root: Path) -> None:
    def spoil(rows: Rows) -> None:
        rows[1][3] = {"0": "1", "1": "0"}[rows[1][3]]
        rows += [rows[2], ["nobody", "x.dcm", "nan", "0"], [PATIENTS[1], "x.dcm", "nan", "0", "surplus"]]

    edit_csv(root / rsna_medslip.FILE, spoil)
    raw = rsna.read(root)
    assert sorted(kinds(raw)) == ["bad-row", "duplicate-row", "label-disagreement", "unlisted-image"]
    assert raw.splits["medslip"]["test"] == PATIENTS[::3]
    edit_csv(root / rsna.LABELS_FILE, lambda rows: rows[1].__setitem__(-1, "maybe"))
    assert rsna.read(root).splits["medslip"]["test"] == PATIENTS[3::3]


def test_the_phantom_reads_back_as_it_was_drawn(root: Path) -> None:
    raw = rsna.read(root)
    assert kinds(raw) == []
    assert [sample.sample_id for sample in raw.samples] == sorted(CASES)
    for sample in raw.samples:
        case = CASES[sample.sample_id]
        assert sample.boxes == case.boxes
        assert sample.labels == {rsna.LABEL: int(bool(case.boxes))}
        assert sample.mask == box_mask(case.boxes, SIZE.side, SIZE.side)
        assert sample.attributes == case.person.attributes
        assert (root / sample.image).is_file()


def test_another_number_of_patients_is_told_and_divided_in_proportion(root: Path) -> None:
    raw = rsna.read(root)
    assert [problem.kind for problem in raw.problems] == ["count"]
    assert {part: len(ids) for part, ids in raw.splits["detection"].items()} == {"train": 7, "valid": 3, "test": 2}


def test_lost_images_and_broken_rows_leave_the_others_where_they_were(root: Path) -> None:
    before = rsna.read(root)
    for patient in PATIENTS[:3]:
        (root / rsna.IMAGES / f"{patient}.dcm").unlink()
    edit_csv(root / rsna.LABELS_FILE, lambda rows: rows[1].__setitem__(-1, "maybe"))
    after = rsna.read(root)
    broken = PATIENTS[0]
    assert after.listed == len(after.samples) + 1 == SIZE.images
    assert broken not in {sample.sample_id for sample in after.samples}
    for name, parts in before.splits.items():
        for part, ids in parts.items():
            assert after.splits[name][part] == [patient for patient in ids if patient != broken]


def test_a_missing_column_or_label_file_is_one_error(root: Path) -> None:
    edit_csv(root / rsna.LABELS_FILE, lambda rows: [row.pop(4) for row in rows] and None)
    with pytest.raises(MissingDataError, match=r"stage_2_train_labels\.csv has no column 'height'"):
        rsna.read(root)
    (root / rsna.LABELS_FILE).unlink()
    with pytest.raises(MissingDataError, match=r"stage_2_train_labels\.csv is missing"):
        rsna.read(root)


@pytest.mark.parametrize(
    ("patient", "cells", "kind"),
    [
        (POSITIVE, ["", "", "", "", "1"], "bad-row"),
        (POSITIVE, ["nan", "1", "1", "1", "1"], "bad-row"),
        (POSITIVE, ["left", "1", "1", "1", "1"], "bad-row"),
        (POSITIVE, ["1", "1", "1", "1", "2"], "bad-row"),
        (POSITIVE, ["", "", "", "", "0"], "bad-row"),
        (NEGATIVE, ["1", "1", "5", "5", "0"], "bad-row"),
        (NEGATIVE, ["1", "1", "5", "5", "1"], "bad-row"),
        (NEGATIVE, ["", "", "", "", "0", "1"], "bad-row"),
    ],
)
def test_a_row_that_is_malformed_or_contradicts_leaves_its_patient_out(
    root: Path, patient: str, cells: list[str], kind: str
) -> None:
    edit_csv(root / rsna.LABELS_FILE, lambda rows: rows.append([patient, *cells]))
    raw = rsna.read(root)
    assert kinds(raw) == [kind]
    assert {sample.sample_id for sample in raw.samples} == set(CASES) - {patient}
    assert patient not in set(chain.from_iterable(chain.from_iterable(p.values() for p in raw.splits.values())))


@pytest.mark.parametrize(
    ("cells", "kind", "more"),
    [
        (["40", "40", "20", "5", "1"], "box-clipped", 1),
        (["48", "0", "5", "5", "1"], "box-outside", 0),
        (["5", "5", "0", "5", "1"], "box-outside", 0),
        (["5", "5", "5", "-5", "1"], "box-outside", 0),
    ],
)
def test_a_box_off_the_image_is_clipped_or_dropped(root: Path, cells: list[str], kind: str, more: int) -> None:
    edit_csv(root / rsna.LABELS_FILE, lambda rows: rows.append([POSITIVE, *cells]))
    raw = rsna.read(root)
    assert kinds(raw) == [kind]
    sample = next(sample for sample in raw.samples if sample.sample_id == POSITIVE)
    assert len(sample.boxes or ()) == len(CASES[POSITIVE].boxes) + more


def test_a_positive_patient_whose_only_box_is_off_the_image_is_left_out(root: Path) -> None:
    def replace_boxes(rows: Rows) -> None:
        rows[:] = [row for row in rows if row[0] != POSITIVE] + [[POSITIVE, "900", "900", "5", "5", "1"]]

    edit_csv(root / rsna.LABELS_FILE, replace_boxes)
    raw = rsna.read(root)
    assert kinds(raw) == ["box-outside", "bad-row"]
    assert POSITIVE not in {sample.sample_id for sample in raw.samples}


def test_repeated_rows_and_ids_that_leave_the_folder_are_reported(root: Path) -> None:
    def spoil(rows: Rows) -> None:
        rows += [rows[1], ["../../x", "", "", "", "", "0"], ["", "", "", "", "", "0"]]

    edit_csv(root / rsna.LABELS_FILE, spoil)
    raw = rsna.read(root)
    assert kinds(raw) == ["duplicate-row", "bad-row", "bad-row"]
    assert len(raw.samples) == SIZE.images


def test_a_finer_class_against_the_label_is_reported_and_the_label_kept(root: Path) -> None:
    def contradict(rows: Rows) -> None:
        rows[:] = [[row[0], "Lung Opacity" if row[0] == NEGATIVE else row[1]] for row in rows]

    edit_csv(root / rsna.CLASSES_FILE, contradict)
    raw = rsna.read(root)
    assert kinds(raw) == ["label-disagreement"]
    assert len(raw.samples) == SIZE.images
    edit_csv(
        root / rsna.CLASSES_FILE, lambda rows: [row.append("x") for row in rows[1:] if row[0] == NEGATIVE] and None
    )
    assert set(kinds(rsna.read(root))) == {"bad-row"}
