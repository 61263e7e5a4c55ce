"""SIIM: the phantom, both layouts, and bad input."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pytest

from medbench.errors import MissingDataError
from medbench.masks import encode_mask
from medbench.samples import PhantomSize
from medbench_datasets import siim, siim_phantom
from tests.datasets.tampering import edit_csv, kinds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.datasets.tampering import Rows

SIZE = PhantomSize(images=14, side=48, seed=5)
CASES = {case.person.uid: case for case in siim_phantom.draw_cases(SIZE)}
POSITIVE = next(image for image in CASES if len(CASES[image].regions) == 1)
TWO_ROWS = next(image for image in CASES if len(CASES[image].regions) == 2)
NEGATIVE = next(image for image in CASES if not CASES[image].regions)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    siim_phantom.write_phantom(tmp_path, SIZE)
    return tmp_path


def test_the_phantom_has_the_official_header_and_folders(root: Path) -> None:
    assert (root / "train-rle.csv").read_text().startswith("ImageId, EncodedPixels")
    assert len(list(root.glob("dicom-images-train/*/*/*.dcm"))) == SIZE.images


def test_the_phantom_reads_back_as_it_was_drawn(root: Path) -> None:
    raw = siim.read(root)
    assert kinds(raw) == []
    assert [sample.sample_id for sample in raw.samples] == sorted(CASES)
    for sample in raw.samples:
        case = CASES[sample.sample_id]
        drawn = np.any([np.zeros((SIZE.side, SIZE.side), bool), *case.regions], axis=0)
        assert sample.mask == encode_mask(drawn)
        assert sample.labels == {siim.LABEL: int(bool(case.regions))}
        assert sample.patient_id == case.person.patient_id
        assert sample.attributes == case.person.attributes
        assert (root / sample.image).is_file()


def test_the_image_split_shares_nothing_and_the_released_one_divides_rows(root: Path) -> None:
    extra = [TWO_ROWS, " 0 1"]
    edit_csv(root / siim.STAGE_1_FILE, lambda rows: rows.extend([extra] * 60))
    splits = siim.read(root).splits
    by_image = list(chain.from_iterable(splits["image"].values()))
    assert sorted(by_image) == sorted(CASES)
    assert {part: len(ids) for part, ids in splits["image"].items()} == {"train": 10, "valid": 2, "test": 2}
    assert all(TWO_ROWS in ids for ids in splits["as-released-rows"].values())
    assert all(len(ids) == len(set(ids)) for ids in splits["as-released-rows"].values())


def test_the_stage_2_list_goes_first_and_images_may_be_linked(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = siim.read(root)
    elsewhere = (root / siim.IMAGES).rename(tmp_path_factory.mktemp("disk") / "dicoms")
    (root / "stage_2_images").symlink_to(elsewhere)
    (root / siim.STAGE_1_FILE).rename(root / siim.STAGE_2_FILE)
    edit_csv(root / siim.STAGE_2_FILE, lambda rows: rows.__setitem__(0, ["ImageId", "EncodedPixels"]))
    (root / siim.STAGE_1_FILE).write_text("not,the,list\n")
    after = siim.read(root)
    assert after.splits == before.splits
    assert all(sample.image.startswith("stage_2_images/") for sample in after.samples)
    assert [sample.mask for sample in after.samples] == [sample.mask for sample in before.samples]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0 2305", "rle-overrun"),
        ("2300 2 5 1", "rle-overrun"),
        ("1 2 3", "bad-row"),
        ("", "bad-row"),
        ("x 1", "bad-row"),
    ],
)
def test_a_bad_mask_leaves_its_image_out_and_the_others_where_they_were(root: Path, text: str, kind: str) -> None:
    before = siim.read(root)

    def spoil(rows: Rows) -> None:
        next(row for row in rows if row[0] == POSITIVE)[1] = text

    edit_csv(root / siim.STAGE_1_FILE, spoil)
    raw = siim.read(root)
    assert kinds(raw) == [kind]
    assert {sample.sample_id for sample in raw.samples} == set(CASES) - {POSITIVE}
    assert raw.listed == SIZE.images
    for name, parts in before.splits.items():
        for part, ids in parts.items():
            assert raw.splits[name][part] == [image for image in ids if image != POSITIVE]


def test_a_mask_beside_no_finding_is_a_contradiction(root: Path) -> None:
    edit_csv(root / siim.STAGE_1_FILE, lambda rows: rows.append([NEGATIVE, "0 5"]))
    raw = siim.read(root)
    assert kinds(raw) == ["bad-row"]
    assert NEGATIVE not in {sample.sample_id for sample in raw.samples}


def test_a_row_with_a_cell_beyond_the_header_is_bad(root: Path) -> None:
    edit_csv(root / siim.STAGE_1_FILE, lambda rows: rows[1].append("5"))
    raw = siim.read(root)
    assert kinds(raw) == ["bad-row"]
    assert len(raw.samples) == SIZE.images - 1


def test_resource_forks_are_no_dicoms_and_deep_links_and_capitals_are_read(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = siim.read(root)
    first, second, *_ = sorted(root.rglob("*.dcm"))
    (first.parent / f"._{first.name}").write_bytes(b"fork")
    first.rename(first.with_suffix(".DCM"))
    elsewhere = second.parent.rename(tmp_path_factory.mktemp("disk") / "series")
    second.parent.symlink_to(elsewhere)
    after = siim.read(root)
    assert kinds(after) == []
    assert [sample.patient_id for sample in after.samples] == [sample.patient_id for sample in before.samples]


def test_rows_without_an_image_id_and_images_found_twice_are_reported(root: Path) -> None:
    edit_csv(root / siim.STAGE_1_FILE, lambda rows: rows.append(["", "-1"]))
    source = next(root.rglob("*.dcm"))
    (root / "stage_2_images").mkdir()
    (root / "stage_2_images" / source.name).write_bytes(source.read_bytes())
    raw = siim.read(root)
    assert sorted(kinds(raw)) == ["bad-row", "duplicate-image"]
    assert len(raw.samples) == SIZE.images


def test_an_absent_or_unreadable_dicom_is_left_to_the_preparation(root: Path) -> None:
    for path, content in zip(sorted(root.rglob("*.dcm"))[:2], (None, b"broken"), strict=True):
        path.unlink() if content is None else path.write_bytes(content)
    raw = siim.read(root)
    assert kinds(raw) == []
    assert len(raw.samples) == SIZE.images
    assert sum(sample.patient_id == sample.sample_id for sample in raw.samples) == 2


def test_no_list_no_column_and_no_images_are_one_error_each(root: Path) -> None:
    table = root / siim.STAGE_1_FILE
    content = table.read_text()
    table.write_text(content.replace(" EncodedPixels", "Pixels", 1))
    with pytest.raises(MissingDataError, match=r"train-rle\.csv has no column 'EncodedPixels'"):
        siim.read(root)
    table.unlink()
    with pytest.raises(MissingDataError, match=r"neither stage_2_train\.csv nor train-rle\.csv"):
        siim.read(root)
    table.write_text(content)
    for path in root.rglob("*.dcm"):
        path.unlink()
    with pytest.raises(MissingDataError, match=r"holds no \.dcm file"):
        siim.read(root)
