"""covid-chestxray: the real folders, the phantom, the upstream layout, and bad input."""

from __future__ import annotations

import json
import shutil
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from medbench.errors import MissingDataError
from medbench.images import read_grey
from medbench.masks import encode_mask
from medbench.samples import PhantomSize
from medbench_datasets import covid_cxr, covid_cxr_phantom
from tests.datasets.tampering import edit_csv, kinds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.datasets.tampering import Rows

SIZE = PhantomSize(images=14, side=48, seed=2)
CASES = {case.name: case for case in covid_cxr_phantom.draw_cases(SIZE)}
FIRST = next(name for name, case in CASES.items() if case.mask is not None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    covid_cxr_phantom.write_phantom(tmp_path, SIZE)
    return tmp_path


@pytest.mark.parametrize(
    ("folder", "images", "boxes", "masks"), [("covid-cxr-open", 29, 58, 25), ("covid-cxr-nc", 151, 302, 63)]
)
def test_a_real_folder_is_read_whole(shared: Path, folder: str, images: int, boxes: int, masks: int) -> None:
    root = shared / "data" / folder
    raw = covid_cxr.read(root)
    assert raw.problems == ()
    assert len(raw.samples) == images
    assert sum(len(sample.boxes or ()) for sample in raw.samples) == boxes
    assert sum(sample.mask is not None for sample in raw.samples) == masks
    assert all((root / sample.image).is_file() for sample in raw.samples)
    assert {box.label for sample in raw.samples for box in sample.boxes or ()} == {0, 1}


def test_two_real_folders_are_merged_by_patient(shared: Path, tmp_path: Path) -> None:
    for folder in ("covid-cxr-open", "covid-cxr-nc"):
        (tmp_path / folder).symlink_to(shared / "data" / folder)
    raw = covid_cxr.read(tmp_path)
    assert len(raw.samples) == 180
    patient_of = {sample.sample_id: sample.patient_id for sample in raw.samples}
    parts = raw.splits["patient"]
    assert sorted(chain.from_iterable(parts.values())) == sorted(patient_of)
    patients = {part: {patient_of[one] for one in ids} for part, ids in parts.items()}
    total = len(set(patient_of.values()))
    assert sum(len(members) for members in patients.values()) == total
    assert len(patients["test"]) == pytest.approx(0.25 * total, abs=1)
    assert len(patients["valid"]) == pytest.approx(0.15 * total, abs=1)


def test_the_right_lung_is_on_the_left_of_most_real_images(shared: Path) -> None:
    raw = covid_cxr.read(shared / "data" / "covid-cxr-nc")
    pairs = [{box.label: box.x for box in sample.boxes or ()} for sample in raw.samples]
    assert sum(pair[0] < pair[1] for pair in pairs) > 0.95 * len(pairs)


def test_the_phantom_reads_back_as_it_was_drawn(root: Path) -> None:
    raw = covid_cxr.read(root)
    assert raw.problems == ()
    assert [sample.sample_id for sample in raw.samples] == list(CASES)
    for sample in raw.samples:
        case = CASES[sample.sample_id]
        assert sample.boxes == case.boxes
        assert sample.mask == (None if case.mask is None else encode_mask(case.mask))
        assert sample.labels == {covid_cxr.LABEL: int("COVID" in case.finding)}
        assert sample.patient_id == str(case.patient_id)
        assert sample.attributes == case.attributes
        assert (read_grey(root / sample.image) > 0).any()
    assert len({sample.patient_id for sample in raw.samples}) < len(raw.samples)


def test_file_names_in_two_folders_get_the_folder_before_them(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    both = tmp_path_factory.mktemp("both")
    shutil.copytree(root, both / "a")
    shutil.copytree(root, both / "b")
    shutil.copytree(root, both / ".trash")
    edit_csv(both / "b" / "metadata.csv", lambda rows: rows.__delitem__(slice(3, None)))
    raw = covid_cxr.read(both)
    ids = [sample.sample_id for sample in raw.samples]
    assert len(set(ids)) == len(ids) == SIZE.images + 2
    assert ids[:3] == [f"a/{name}" for name in list(CASES)[:2]] + [list(CASES)[2]]
    assert all(sample.image.startswith(("a/images/", "b/images/")) for sample in raw.samples)


def test_a_name_too_long_for_a_file_is_reported_and_passed_over(root: Path) -> None:
    edit_csv(root / "metadata.csv", lambda rows: rows[1].__setitem__(rows[0].index("filename"), f"{'x' * 300}.png"))
    raw = covid_cxr.read(root)
    assert [(one.kind, one.where) for one in raw.problems] == [("bad-row", "metadata.csv:2")]
    assert len(raw.samples) == raw.listed - 1


def test_rows_out_of_scope_or_broken_are_reported_and_passed_over(root: Path) -> None:
    def spoil(rows: Rows) -> None:
        header = rows[0]
        modality, folder, name, patient = (header.index(one) for one in ("modality", "folder", "filename", "patientid"))
        rows[1][modality] = "CT"
        rows[2][folder] = "../elsewhere"
        rows[3][name] = "volume.nii.gz"
        rows[4][name] = rows[5][name]
        rows[6][patient] = ""
        rows[7].append("x")

    edit_csv(root / "metadata.csv", spoil)
    raw = covid_cxr.read(root)
    assert kinds(raw) == ["out-of-scope", "bad-row", "bad-row", "duplicate-id", "bad-row", "bad-row"]
    assert len(raw.samples) == raw.listed - 4 == SIZE.images - 6


def test_masks_and_boxes_that_do_not_fit_the_image_are_left_out(root: Path) -> None:
    names = [name for name, case in CASES.items() if case.mask is not None][:2]
    Image.new("L", (9, 9), 255).save(root / "lung_masks" / f"{names[0]}.png")
    (root / "lung_masks" / f"{names[1]}.png").write_bytes(b"broken")
    document = json.loads((root / "lung_boxes.coco.json").read_text())
    document["images"][0]["width"] += 1
    (root / "lung_boxes.coco.json").write_text(json.dumps(document))
    raw = covid_cxr.read(root)
    assert sorted(kinds(raw)) == ["box-size", "mask-size", "unreadable-mask"]
    by_id = {sample.sample_id: sample for sample in raw.samples}
    assert [by_id[name].mask for name in names] == [None, None]
    assert raw.samples[0].boxes is None


def test_bad_boxes_are_clipped_dropped_or_passed_over(root: Path) -> None:
    document = json.loads((root / "lung_boxes.coco.json").read_text())
    changes = [
        {"bbox": [40, 40, 20, 4]},
        {"bbox": [99, 0, 4, 4]},
        {"bbox": [1, 2]},
        {"category_id": 7},
        {"image_id": 999},
    ]
    for annotation, change in zip(document["annotations"], changes, strict=False):
        annotation.update(change)
    document["images"].append({"id": 77})
    (root / "lung_boxes.coco.json").write_text(json.dumps(document))
    raw = covid_cxr.read(root)
    assert kinds(raw) == ["bad-row", "box-clipped", "box-outside", "bad-row", "bad-row", "bad-row"]
    assert sum(len(sample.boxes or ()) for sample in raw.samples) == 2 * SIZE.images - 4


def test_without_boxes_and_masks_both_are_unknown_not_empty(root: Path) -> None:
    (root / "lung_boxes.coco.json").unlink()
    shutil.rmtree(root / "lung_masks")
    raw = covid_cxr.read(root)
    assert {(sample.boxes, sample.mask) for sample in raw.samples} == {(None, None)}


def test_unresolved_findings_give_no_label(root: Path) -> None:
    edit_csv(root / "metadata.csv", lambda rows: rows[1].__setitem__(rows[0].index("finding"), "todo"))
    assert covid_cxr.read(root).samples[0].labels == {}


@pytest.mark.parametrize("content", ["[1", "[]", '{"images": [], "annotations": {}}'])
def test_boxes_that_are_not_coco_json_are_one_error(root: Path, content: str) -> None:
    (root / "lung_boxes.coco.json").write_text(content)
    with pytest.raises(MissingDataError, match=r"lung_boxes\.coco\.json"):
        covid_cxr.read(root)


def test_missing_columns_and_metadata_are_one_error_each(root: Path) -> None:
    metadata = root / "metadata.csv"
    content = metadata.read_text()
    metadata.write_text(content.replace("filename", "name", 1))
    with pytest.raises(MissingDataError, match="neither a column 'image' nor 'filename'"):
        covid_cxr.read(root)
    metadata.write_text(content.replace("patientid", "patient", 1))
    with pytest.raises(MissingDataError, match="no column 'patientid'"):
        covid_cxr.read(root)
    metadata.unlink()
    with pytest.raises(MissingDataError, match=r"no metadata\.csv"):
        covid_cxr.read(root)
