"""VinDr-CXR: the phantom, the readers' majority, the division, and bad input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.errors import MissingDataError
from medbench.images import read_grey
from medbench.samples import PhantomSize
from medbench_datasets import vindr_cxr, vindr_cxr_phantom
from tests.datasets.tampering import edit_csv, kinds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.datasets.tampering import Rows

SIZE = PhantomSize(images=18, side=40, seed=6)
CASES = {case.image_id: case for case in vindr_cxr_phantom.draw_cases(SIZE)}
TRAIN = sorted(image for image, case in CASES.items() if case.part == "train")
TEST = sorted(image for image, case in CASES.items() if case.part == "test")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    vindr_cxr_phantom.write_phantom(tmp_path, SIZE)
    return tmp_path


def test_there_are_28_labels_of_which_22_are_local() -> None:
    assert len(set(vindr_cxr.LABELS)) == 28
    assert len(vindr_cxr.SPEC.box_names) == 22


def test_the_phantom_has_the_official_columns(root: Path) -> None:
    train = (root / vindr_cxr.LABELS_FILES["train"]).read_text().splitlines()
    test = (root / vindr_cxr.LABELS_FILES["test"]).read_text().splitlines()
    assert train[0].startswith("image_id,rad_id,Aortic enlargement,")
    assert train[0].endswith(",Other diseases,No finding")
    assert test[0].startswith("image_id,Aortic enlargement,")
    assert test[0].endswith(",Other disease,No finding")
    assert (len(train) - 1, len(test) - 1) == (3 * len(TRAIN), len(TEST))


def test_the_phantom_reads_back_as_it_was_drawn_by_majority(root: Path) -> None:
    raw = vindr_cxr.read(root)
    assert raw.problems == ()
    assert [sample.sample_id for sample in raw.samples] == [*TRAIN, *TEST]
    assert any(case.dissenter for case in CASES.values())
    for sample in raw.samples:
        case = CASES[sample.sample_id]
        drawn = {vindr_cxr.LOCAL[box.label] for box in case.boxes} or {"No finding"}
        assert sample.labels == {name: int(name in drawn) for name in vindr_cxr.LABELS}
        assert sample.boxes == (case.boxes if case.part == "test" else None)
        assert sample.attributes == case.attributes
        assert read_grey(root / sample.image).shape == (SIZE.side, SIZE.side)


def test_the_split_is_the_official_test_and_a_drawn_fifth_of_train(root: Path) -> None:
    parts = vindr_cxr.read(root).splits["official"]
    assert parts["test"] == TEST
    assert sorted(parts["train"] + parts["valid"]) == TRAIN
    assert len(parts["valid"]) == round(len(TRAIN) / 5)
    sizes = vindr_cxr.SPEC.split("official").sizes
    assert sizes["train"] + sizes["valid"] == vindr_cxr.IMAGES_IN_TRAIN
    assert sizes["valid"] == vindr_cxr.VALID


@given(st.lists(st.sampled_from([0, 1, None])))
def test_a_majority_is_more_than_half_of_the_votes_given(votes: list[int | None]) -> None:
    given_votes = [vote for vote in votes if vote is not None]
    found = vindr_cxr.majority(votes)
    if found is None:
        assert given_votes.count(0) == given_votes.count(1)
    else:
        assert given_votes.count(found) > given_votes.count(1 - found)


@pytest.mark.parametrize(
    ("cells", "label"),
    [(("1", "1", "0"), 1), (("1", "0", "0"), 0), (("1", "0", ""), None), (("1.0", "", "nan"), 1), (("", "", ""), None)],
)
def test_ties_and_blanks_are_unknown(root: Path, cells: tuple[str, ...], label: int | None) -> None:
    def edit(rows: Rows) -> None:
        column = rows[0].index("Tuberculosis")
        for row, cell in zip([row for row in rows if row[0] == TRAIN[0]], cells, strict=True):
            row[column] = cell

    edit_csv(root / vindr_cxr.LABELS_FILES["train"], edit)
    raw = vindr_cxr.read(root)
    assert raw.problems == ()
    assert raw.samples[0].labels.get("Tuberculosis") == label


def test_columns_are_found_in_any_case_and_order(root: Path) -> None:
    before = vindr_cxr.read(root)

    def edit(rows: Rows) -> None:
        rows[0][1] = "rad_ID"
        rows[0][rows[0].index("Lung Opacity")] = "lung opacity"
        for row in rows:
            row[:] = [row[0], *reversed(row[1:])]

    edit_csv(root / vindr_cxr.LABELS_FILES["train"], edit)
    assert vindr_cxr.read(root) == before


def test_a_bad_cell_leaves_its_image_out_and_the_others_where_they_were(root: Path) -> None:
    before = vindr_cxr.read(root).splits["official"]
    edit_csv(root / vindr_cxr.LABELS_FILES["train"], lambda rows: rows[1].__setitem__(5, "maybe"))
    edit_csv(root / vindr_cxr.LABELS_FILES["test"], lambda rows: rows[1].__setitem__(5, "-1"))
    raw = vindr_cxr.read(root)
    gone = {sample for sample in CASES} - {sample.sample_id for sample in raw.samples}
    assert kinds(raw) == ["bad-row", "bad-row"]
    assert len(gone) == 2
    assert raw.listed == SIZE.images
    for part, ids in before.items():
        assert raw.splits["official"][part] == [one for one in ids if one not in gone]


def test_a_row_with_a_cell_beyond_the_header_is_bad(root: Path) -> None:
    for file in (*vindr_cxr.LABELS_FILES.values(), vindr_cxr.BOXES_FILE):
        edit_csv(root / file, lambda rows: rows[1].append("0"))
    raw = vindr_cxr.read(root)
    assert kinds(raw) == ["bad-row"] * 3
    assert all("more cells than the header" in problem.detail for problem in raw.problems)
    assert len(raw.samples) == SIZE.images - 2


def test_rows_that_repeat_escape_or_stand_in_both_files_are_reported(root: Path) -> None:
    def edit(rows: Rows) -> None:
        rows.append(list(rows[1]))
        rows.append(["../x", *rows[1][1:]])
        rows.append([TEST[0], *rows[1][1:]])

    edit_csv(root / vindr_cxr.LABELS_FILES["train"], edit)
    raw = vindr_cxr.read(root)
    assert kinds(raw) == ["duplicate-row", "bad-row", "duplicate-id"]
    assert [sample.sample_id for sample in raw.samples] == [*TRAIN, *TEST]
    assert TEST[0] in raw.splits["official"]["test"]


def test_bad_boxes_are_passed_over_and_without_the_file_they_are_unknown(root: Path) -> None:
    def edit(rows: Rows) -> None:
        image = TEST[0]
        rows += [
            [image, "Cardiomegaly", "1", "2", "nan", "9"],
            [image, "Pneumonia", "1", "2", "3", "9"],
            [TRAIN[0], "Cardiomegaly", "1", "2", "3", "9"],
            [image, "Cardiomegaly", "1", "2", "4", "8"],
        ]

    before = next(sample for sample in vindr_cxr.read(root).samples if sample.sample_id == TEST[0])
    edit_csv(root / vindr_cxr.BOXES_FILE, edit)
    raw = vindr_cxr.read(root)
    assert kinds(raw) == ["bad-row"] * 3
    after = next(sample for sample in raw.samples if sample.sample_id == TEST[0])
    assert after.boxes == (*(before.boxes or ()), (vindr_cxr.LOCAL.index("Cardiomegaly"), 1, 2, 3, 6))
    (root / vindr_cxr.BOXES_FILE).unlink()
    assert {sample.boxes for sample in vindr_cxr.read(root).samples} == {None}


def test_missing_files_rows_and_columns_are_one_error_each(root: Path) -> None:
    path = root / vindr_cxr.LABELS_FILES["test"]
    content = path.read_text()
    path.write_text(content.replace("Edema", "Oedema", 1))
    with pytest.raises(MissingDataError, match=r"image_labels_test\.csv has no column Edema"):
        vindr_cxr.read(root)
    path.write_text(content.splitlines()[0])
    with pytest.raises(MissingDataError, match=r"image_labels_test\.csv has no rows"):
        vindr_cxr.read(root)
    path.unlink()
    with pytest.raises(MissingDataError, match=r"image_labels_test\.csv is missing"):
        vindr_cxr.read(root)
