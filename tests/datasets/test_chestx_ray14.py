"""ChestX-ray14: the real label files and images, the phantom, and bad input."""

from __future__ import annotations

import gzip
import shutil
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from medbench.errors import MissingDataError
from medbench.images import read_grey
from medbench.samples import Box, PhantomSize, RawDataset
from medbench_datasets import chestx_ray14, chestx_ray14_phantom
from medbench_datasets.chestx_ray14_boxes import BOX_NAMES, BOXES_FILE
from tests.datasets.tampering import edit_csv, kinds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.datasets.tampering import Rows

SIZE = PhantomSize(images=24, side=40, seed=1)
CASES = {case.name: case for case in chestx_ray14_phantom.draw_cases(SIZE)}
BOXED = next(name for name, case in CASES.items() if case.boxes)
LABEL_FILE = chestx_ray14.LABEL_FILES[0]
POSITIVES_OF_THE_TEST_LIST = (3279, 1069, 4658, 6112, 1748, 1623, 555, 2665, 1815, 925, 1093, 435, 1143, 86)
NO_FINDING_OF_THE_TEST_LIST = 9861


@pytest.fixture
def root(tmp_path: Path) -> Path:
    chestx_ray14_phantom.write_phantom(tmp_path, SIZE)
    return tmp_path


@pytest.fixture(scope="module")
def official(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    """What is read from the real, complete tables and the official test list, with a single image."""
    root = tmp_path_factory.mktemp("nih")
    source = shared / "data/annotations"
    for name in (LABEL_FILE, BOXES_FILE):
        (root / name).write_bytes(gzip.decompress((source / f"nih/{name}.gz").read_bytes()))
    listed = gzip.decompress((source / "medslip/chestx-ray14_test.csv.gz").read_bytes()).decode()
    test = [line.split(",")[1] for line in listed.splitlines()[1:]]
    everything = [line.split(",")[0] for line in (root / LABEL_FILE).read_text().splitlines()[1:]]
    (root / chestx_ray14.TEST_LIST).write_text("\n".join(test))
    (root / chestx_ray14.TRAIN_LIST).write_text("\n".join(sorted(set(everything) - set(test))))
    Image.new("L", (8, 8)).save(root / test[0])
    return chestx_ray14.read(root)


def test_the_official_files_are_read_without_a_problem(official: RawDataset) -> None:
    assert official.problems == ()
    assert len(official.samples) == chestx_ray14.COUNT
    assert sum(len(sample.boxes or ()) for sample in official.samples) == 984
    assert sum(sample.boxes is not None for sample in official.samples) == 880
    boxed = [(sample, BOX_NAMES[box.label]) for sample in official.samples for box in sample.boxes or ()]
    assert all(sample.labels[name] == 1 for sample, name in boxed)
    assert {sample.attributes["view"] for sample in official.samples} == {"PA", "AP"}
    assert max(int(sample.attributes["age"]) for sample in official.samples) == 95


def test_the_official_test_list_has_the_published_prevalences(official: RawDataset) -> None:
    by_id = {sample.sample_id: sample for sample in official.samples}
    test = [by_id[name] for name in official.splits["official"]["test"]]
    assert len(test) == chestx_ray14.SPEC.split("official").sizes["test"] == 25_596
    assert len({sample.patient_id for sample in test}) == 2_797
    positives = tuple(sum(sample.labels[name] for sample in test) for name in chestx_ray14.LABELS)
    assert positives == POSITIVES_OF_THE_TEST_LIST
    assert sum(not any(sample.labels.values()) for sample in test) == NO_FINDING_OF_THE_TEST_LIST


@pytest.mark.parametrize(
    ("split", "shares"),
    [("official", (0.695, 0.077, 0.228)), ("patient", (0.7, 0.1, 0.2))],
    ids=["official", "patient"],
)
def test_real_patients_are_in_one_part_each(
    official: RawDataset, split: str, shares: tuple[float, float, float]
) -> None:
    patient_of = {sample.sample_id: sample.patient_id for sample in official.samples}
    parts = official.splits[split]
    assert sorted(chain.from_iterable(parts.values())) == sorted(patient_of)
    patients = [{patient_of[name] for name in ids} for ids in parts.values()]
    assert sum(map(len, patients)) == len(set().union(*patients)) == 30_805
    assert tuple(len(ids) / chestx_ray14.COUNT for ids in parts.values()) == pytest.approx(shares, abs=0.01)


def test_the_real_sample_is_read_without_lists(shared: Path) -> None:
    root = shared / "data/nih-chestxray14-sample"
    raw = chestx_ray14.read(root)
    assert kinds(raw) == []
    assert list(raw.splits) == ["patient"]
    assert all((root / sample.image).is_file() for sample in raw.samples)
    boxed = [sample for sample in raw.samples if sample.boxes]
    assert (len(raw.samples), len(boxed)) == (85, 9)
    assert all(sample.labels[BOX_NAMES[box.label]] for sample in boxed for box in sample.boxes or ())


def test_the_phantom_reads_back_as_it_was_drawn(root: Path) -> None:
    raw = chestx_ray14.read(root)
    assert kinds(raw) == []
    assert [sample.sample_id for sample in raw.samples] == list(CASES)
    for sample in raw.samples:
        case = CASES[sample.sample_id]
        assert tuple(name for name, value in sample.labels.items() if value) == case.findings
        assert set(sample.labels) == set(chestx_ray14.LABELS)
        assert sample.attributes == case.attributes
        boxes = tuple(Box(BOX_NAMES.index(name), *map(float, box[1:])) for name, box in case.boxes.items())
        assert sample.boxes == (boxes or None)
        assert read_grey(root / sample.image).shape == (SIZE.side, SIZE.side)
    assert set(raw.splits["official"]["test"]) == {name for name, case in CASES.items() if case.test}
    assert all(raw.splits["official"].values())


def test_images_lie_at_any_depth_and_may_be_linked(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    before = chestx_ray14.read(root)
    elsewhere = (root / "images_001").rename(tmp_path_factory.mktemp("disk") / "images_001")
    (root / "images").symlink_to(elsewhere / "images")
    after = chestx_ray14.read(root)
    assert after.splits == before.splits
    assert [sample.image for sample in after.samples] == [f"images/{name}" for name in CASES]
    assert [sample.boxes for sample in after.samples] == [sample.boxes for sample in before.samples]


def test_the_older_table_with_ages_in_years_reads_alike(root: Path) -> None:
    before = chestx_ray14.read(root)
    table = (root / LABEL_FILE).rename(root / chestx_ray14.LABEL_FILES[1])

    def older(rows: Rows) -> None:
        age = rows[0].index("Patient Age")
        for row in rows[1:]:
            row[age] = f"{int(row[age]):03d}Y"
        rows[1][age], rows[2][age] = "411Y", "011M"

    edit_csv(table, older)
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    after = chestx_ray14.read(root)
    assert after.samples[2:] == before.samples[2:]
    assert [sample.attributes.get("age") for sample in after.samples[:2]] == [None, "0"]


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("Image Index", "../a.png"),
        ("Image Index", ""),
        ("Image Index", "a.dcm"),
        ("Patient ID", "x"),
        ("Patient ID", ""),
        ("Finding Labels", ""),
        ("Finding Labels", "NaN"),
        ("Finding Labels", "Infiltrate"),
        ("Finding Labels", "Mass|"),
        ("Finding Labels", "No Finding|Mass"),
    ],
)
def test_a_malformed_row_is_left_out_and_the_others_stay(root: Path, column: str, cell: str) -> None:
    before = chestx_ray14.read(root)
    edit_csv(root / LABEL_FILE, lambda rows: rows[1].__setitem__(rows[0].index(column), cell))
    (root / BOXES_FILE).unlink()
    raw = chestx_ray14.read(root)
    assert kinds(raw) == ["bad-row", "unlisted-image"]
    assert [sample.sample_id for sample in raw.samples] == [sample.sample_id for sample in before.samples[1:]]
    assert raw.listed == SIZE.images


def test_repeated_rows_in_whatever_case_and_images_found_twice_are_reported(root: Path) -> None:
    def repeat(rows: Rows) -> None:
        rows += [rows[1], [rows[2][0].replace(".png", ".PNG"), *rows[2][1:]]]

    edit_csv(root / LABEL_FILE, repeat)
    name = next(iter(CASES))
    shutil.copy(root / chestx_ray14_phantom.FOLDER / name, root / name)
    raw = chestx_ray14.read(root)
    assert kinds(raw) == ["duplicate-row", "duplicate-row", "duplicate-image"]
    assert len(raw.samples) == raw.listed == SIZE.images
    assert raw.samples[0].image == f"{chestx_ray14_phantom.FOLDER}/{name}"


def test_an_absent_image_is_left_to_the_preparation(root: Path) -> None:
    name = next(iter(CASES))
    (root / chestx_ray14_phantom.FOLDER / name).unlink()
    raw = chestx_ray14.read(root)
    assert kinds(raw) == []
    assert raw.samples[0].image == f"images/{name}"


def test_a_row_with_a_cell_beyond_the_header_is_bad(root: Path) -> None:
    for file in (LABEL_FILE, BOXES_FILE):
        edit_csv(root / file, lambda rows: rows[1].append("x"))
    raw = chestx_ray14.read(root)
    assert [(problem.kind, problem.where) for problem in raw.problems if problem.kind == "bad-row"] == [
        ("bad-row", f"{LABEL_FILE}:2"),
        ("bad-row", f"{BOXES_FILE}:2"),
    ]


def test_packed_tables_read_like_the_others(root: Path) -> None:
    before = chestx_ray14.read(root)
    for file in (LABEL_FILE, BOXES_FILE):
        (root / f"{file}.gz").write_bytes(gzip.compress((root / file).read_bytes()))
        (root / file).unlink()
    after = chestx_ray14.read(root)
    assert (after.samples, after.splits) == (before.samples, before.splits)
    assert all(list(root.glob(file.path)) for file in chestx_ray14.SPEC.files)


@pytest.mark.parametrize(
    ("row", "kind", "more"),
    [
        ([BOXED, "Mass", "1", "1", "5", "5"], None, 1),
        ([BOXED, "Infiltrate", "30", "30", "20", "5"], "box-clipped", 1),
        ([BOXED, "Mass", "50", "1", "5", "5"], "box-outside", 0),
        ([BOXED, "Mass", "1", "1", "nan", "5"], "box-outside", 0),
        ([BOXED, "Mass", "1", "x", "5", "5"], "bad-row", 0),
        ([BOXED, "Edema", "1", "1", "5", "5"], "bad-row", 0),
        (["unknown.png", "Mass", "1", "1", "5", "5"], "bad-row", 0),
    ],
)
def test_boxes_are_kept_clipped_dropped_or_passed_over(root: Path, row: list[str], kind: str | None, more: int) -> None:
    edit_csv(root / BOXES_FILE, lambda rows: rows.append(row))
    raw = chestx_ray14.read(root)
    assert kinds(raw) == ([kind] if kind else [])
    sample = next(sample for sample in raw.samples if sample.sample_id == BOXED)
    assert len(sample.boxes or ()) == len(CASES[BOXED].boxes) + more


def test_a_repeated_box_is_kept_once_and_without_the_table_boxes_are_unknown(root: Path) -> None:
    edit_csv(root / BOXES_FILE, lambda rows: rows.append(rows[1]))
    assert kinds(chestx_ray14.read(root)) == ["duplicate-row"]
    (root / BOXES_FILE).unlink()
    assert {sample.boxes for sample in chestx_ray14.read(root).samples} == {None}


def test_a_patient_in_both_lists_stays_in_the_test_part_alone(root: Path) -> None:
    before = chestx_ray14.read(root).splits["official"]
    names = (root / chestx_ray14.TRAIN_LIST).read_text().split()
    shared_patient = [name for name in names if CASES[name].patient == CASES[names[0]].patient]
    with (root / chestx_ray14.TEST_LIST).open("a") as file:
        file.write(f"\n{names[0]}\n{names[0]}\nnobody.png\n")
    raw = chestx_ray14.read(root)
    after = raw.splits["official"]
    assert kinds(raw) == ["unlisted-image", "shared-patient"]
    assert after["test"] == [*before["test"], names[0]]
    assert not set(shared_patient) & {*after["train"], *after["valid"]}


def test_without_lists_there_is_one_split_and_one_list_alone_is_an_error(root: Path) -> None:
    before = chestx_ray14.read(root).splits
    (root / chestx_ray14.TEST_LIST).unlink()
    with pytest.raises(MissingDataError, match=r"one official list but not test_list\.txt"):
        chestx_ray14.read(root)
    (root / chestx_ray14.TRAIN_LIST).unlink()
    assert chestx_ray14.read(root).splits == {"patient": before["patient"]}


def test_a_missing_or_empty_table_a_missing_column_and_no_images_are_one_error_each(root: Path) -> None:
    table = root / LABEL_FILE
    content = table.read_text()
    table.write_text(content.replace("Patient Gender", "Patient Sex", 1))
    with pytest.raises(MissingDataError, match="has no column 'Patient Gender'"):
        chestx_ray14.read(root)
    table.write_text("")
    with pytest.raises(MissingDataError, match="has no column 'Image Index'"):
        chestx_ray14.read(root)
    table.unlink()
    with pytest.raises(MissingDataError, match=r"neither Data_Entry_2017_v2020\.csv nor Data_Entry_2017\.csv"):
        chestx_ray14.read(root)
    table.write_text(content)
    shutil.rmtree(root / "images_001")
    with pytest.raises(MissingDataError, match=r"holds no \.png file"):
        chestx_ray14.read(root)
