"""MIMIC-CXR-JPG: the official columns, the phantom, packed and unpacked tables, and bad input."""

from __future__ import annotations

import gzip
import shutil
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from medbench.errors import MissingDataError
from medbench.images import read_grey
from medbench.samples import UNCERTAIN, PhantomSize
from medbench_datasets import mimic_cxr, mimic_cxr_5x200, mimic_cxr_phantom
from medbench_datasets.mimic_cxr_patients import PATIENTS
from tests.datasets.tampering import edit_csv, kinds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.datasets.tampering import Rows

SIZE = PhantomSize(images=24, side=40, seed=1)
CASES = {case.dicom_id: case for case in mimic_cxr_phantom.draw_cases(SIZE)}
FIRST = next(iter(CASES))
TABLES = (mimic_cxr.METADATA, mimic_cxr.SPLIT, mimic_cxr.CHEXPERT)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Without the list of MIMIC-5x200, of which test_mimic_5x200.py is."""
    mimic_cxr_phantom.write_phantom(tmp_path, SIZE)
    (tmp_path / mimic_cxr_5x200.FILE).unlink()
    return tmp_path


def _unpack(root: Path, stem: str) -> Path:
    packed = root / f"{stem}.csv.gz"
    table = root / f"{stem}.csv"
    table.write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    return table


def _edit(root: Path, stem: str, edit: Callable[[Rows], None]) -> None:
    edit_csv(_unpack(root, stem), edit)


def test_tables_in_the_official_columns_are_read(shared: Path, tmp_path: Path) -> None:
    for stem in TABLES:
        shutil.copy(shared / f"data/annotations/synthetic-formats/{stem}.csv", tmp_path)
    raw = mimic_cxr.read(tmp_path)
    assert raw.problems == ()
    assert len(raw.samples) == 32
    frontal, lateral = raw.samples[:2]
    folder = "files/p99/p99000001/s98000001"
    assert frontal.image == f"{folder}/fee29476-b7970386-78633074-8a7d43b5-d6225675.jpg"
    assert (frontal.patient_id, frontal.attributes, lateral.attributes) == (
        "99000001",
        {"view": "PA"},
        {"view": "Lateral"},
    )
    assert frontal.labels == lateral.labels
    assert (frontal.labels["Enlarged Cardiomediastinum"], frontal.labels["Cardiomegaly"]) == (1, UNCERTAIN)
    assert "Atelectasis" not in frontal.labels
    listed = set(chain.from_iterable(raw.splits["official"].values()))
    assert listed == {sample.sample_id for sample in raw.samples if sample.attributes["view"] in {"PA", "AP"}}


def test_the_phantom_reads_back_as_it_was_drawn(root: Path) -> None:
    raw = mimic_cxr.read(root)
    assert raw.problems == ()
    assert [sample.sample_id for sample in raw.samples] == list(CASES)
    for sample in raw.samples:
        case = CASES[sample.sample_id]
        assert sample.labels == case.labels
        assert sample.patient_id == str(case.subject)
        view = "Lateral" if case.view == "LATERAL" else case.view
        assert (sample.attributes["sex"], sample.attributes["view"]) == (case.sex, view)
        assert int(sample.attributes["age"]) == case.age + int(case.date[:4]) - 2150
        assert read_grey(root / sample.image).shape == (SIZE.side, SIZE.side)
    parts = raw.splits["official"]
    assert all(parts.values())
    for part, ids in parts.items():
        drawn = [one for one, case in CASES.items() if mimic_cxr.PARTS[case.part] == part and case.view != "LATERAL"]
        assert ids == drawn
    assert set(Counter(case.view for case in CASES.values())) == {"PA", "AP", "LATERAL"}


def test_packed_and_unpacked_tables_read_alike_and_byte_order_marks_are_dropped(root: Path) -> None:
    before = mimic_cxr.read(root)
    for stem in (*TABLES, PATIENTS):
        table = _unpack(root, stem)
        table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert mimic_cxr.read(root) == before


def test_sex_and_age_are_unknown_without_the_table_of_patients(root: Path) -> None:
    (root / f"{PATIENTS}.csv.gz").unlink()
    assert all(sample.attributes.keys() == {"view"} for sample in mimic_cxr.read(root).samples)


def test_odd_patients_are_reported_or_left_unknown(root: Path) -> None:
    def spoil(rows: Rows) -> None:
        rows[1][2] = "old"
        rows[2][1:3] = "?", "119"

    _edit(root, PATIENTS, spoil)
    raw = mimic_cxr.read(root)
    assert kinds(raw) == ["bad-row"]
    subjects = sorted({sample.patient_id for sample in raw.samples})
    known = [sample.attributes.keys() for sample in raw.samples if sample.patient_id == subjects[0]]
    assert all(names == {"view"} for names in known)
    second = [sample.attributes for sample in raw.samples if sample.patient_id == subjects[1]]
    assert all("sex" not in attributes for attributes in second)


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("dicom_id", "../../etc/passwd"),
        ("dicom_id", ""),
        ("subject_id", "../1"),
        ("subject_id", "1.5"),
        ("study_id", ""),
        ("study_id", "s50"),
    ],
)
def test_a_malformed_row_of_metadata_is_left_out(root: Path, column: str, cell: str) -> None:
    _edit(root, mimic_cxr.METADATA, lambda rows: rows[1].__setitem__(rows[0].index(column), cell))
    raw = mimic_cxr.read(root)
    assert kinds(raw) == ["bad-row", "unlisted-image", "unlisted-image"]
    assert [sample.sample_id for sample in raw.samples] == list(CASES)[1:]
    assert raw.listed == SIZE.images


@pytest.mark.parametrize("stem", [*TABLES, PATIENTS])
def test_a_row_with_a_cell_beyond_the_header_is_bad(root: Path, stem: str) -> None:
    _edit(root, stem, lambda rows: rows[1].append("x"))
    assert ("bad-row", f"{stem}.csv:2") in [(one.kind, one.where) for one in mimic_cxr.read(root).problems]


@pytest.mark.parametrize(("cell", "kept"), [("maybe", False), ("3", False), ("nan", True)])
def test_a_study_with_a_malformed_label_is_left_out_and_nan_is_unknown(root: Path, cell: str, kept: bool) -> None:
    _edit(root, mimic_cxr.CHEXPERT, lambda rows: rows[1].__setitem__(2, cell))
    raw = mimic_cxr.read(root)
    assert kinds(raw) == ([] if kept else ["bad-row", "unlisted-image", "unlisted-image"])
    assert (FIRST in {sample.sample_id for sample in raw.samples}) is kept
    assert all(sample.sample_id != FIRST or "Atelectasis" not in sample.labels for sample in raw.samples)


def test_a_study_without_a_row_of_labels_has_unknown_labels(root: Path) -> None:
    _edit(root, mimic_cxr.CHEXPERT, lambda rows: rows.__delitem__(1))
    raw = mimic_cxr.read(root)
    assert kinds(raw) == []
    assert raw.samples[0].labels == {}


def test_labels_given_twice_stay_where_they_agree(root: Path) -> None:
    def repeat(rows: Rows) -> None:
        other = "0.0" if rows[2][2] != "0.0" else "1.0"
        rows += [rows[1], [*rows[2][:2], other, *rows[2][3:]]]

    _edit(root, mimic_cxr.CHEXPERT, repeat)
    raw = mimic_cxr.read(root)
    assert kinds(raw) == ["duplicate-row", "duplicate-row", "unlisted-image", "unlisted-image"]
    assert [sample.sample_id for sample in raw.samples] == [one for one in CASES if one != list(CASES)[1]]


def test_repeated_images_are_reported_and_names_of_another_case_are_not(root: Path) -> None:
    def repeat(rows: Rows) -> None:
        rows += [rows[1], [rows[2][0].upper(), *rows[2][1:]]]

    _edit(root, mimic_cxr.METADATA, repeat)
    raw = mimic_cxr.read(root)
    assert kinds(raw) == ["duplicate-row", "unlisted-image"]
    assert len(raw.samples) == raw.listed == SIZE.images + 1


def test_rows_of_the_split_that_contradict_are_reported(root: Path) -> None:
    def spoil(rows: Rows) -> None:
        rows[1][3] = "training"
        rows += [[*rows[2][:3], "test" if rows[2][3] != "test" else "train"], ["nobody", "1", "1", "test"]]

    before = mimic_cxr.read(root).splits["official"]
    _edit(root, mimic_cxr.SPLIT, spoil)
    raw = mimic_cxr.read(root)
    assert kinds(raw) == ["bad-row", "duplicate-row", "unlisted-image", "unlisted-image"]
    assert raw.splits["official"] == {part: [one for one in ids if one != FIRST] for part, ids in before.items()}


def test_a_patient_of_two_parts_stays_in_the_test_part_alone(root: Path) -> None:
    subject = str(CASES[FIRST].subject)
    moved = [one for one, case in CASES.items() if str(case.subject) == subject and case.view != "LATERAL"]
    stranger = next(one for one, case in CASES.items() if case.part == "test" and case.view != "LATERAL")

    def move(rows: Rows) -> None:
        column = rows[0].index("subject_id")
        for row in rows[1:]:
            row[column] = subject if row[0] == stranger else row[column]

    _edit(root, mimic_cxr.METADATA, move)
    raw = mimic_cxr.read(root)
    assert kinds(raw) == ["missing-report", "shared-patient"]
    assert stranger in raw.splits["official"]["test"]
    assert not set(moved) & {*raw.splits["official"]["train"], *raw.splits["official"]["valid"]}


def test_an_absent_image_is_left_to_the_preparation(root: Path) -> None:
    (root / mimic_cxr.read(root).samples[0].image).unlink()
    assert len(mimic_cxr.read(root).samples) == SIZE.images


@pytest.mark.parametrize("stem", TABLES)
def test_an_absent_table_a_cut_one_and_an_empty_one_are_one_error_each(root: Path, stem: str) -> None:
    packed = root / f"{stem}.csv.gz"
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(MissingDataError, match=rf"{stem}\.csv\.gz is not a whole gzip file"):
        mimic_cxr.read(root)
    packed.write_bytes(b"dicom_id,subject_id")
    with pytest.raises(MissingDataError, match=rf"{stem}\.csv\.gz is not a whole gzip file"):
        mimic_cxr.read(root)
    packed.write_bytes(gzip.compress(b""))
    with pytest.raises(MissingDataError, match=rf"{stem}\.csv\.gz has no column"):
        mimic_cxr.read(root)
    packed.unlink()
    with pytest.raises(MissingDataError, match=rf"neither {stem}\.csv nor {stem}\.csv\.gz"):
        mimic_cxr.read(root)
