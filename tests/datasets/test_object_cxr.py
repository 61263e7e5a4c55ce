"""Object-CXR: its annotation text, the phantom, the split, and bad input."""

from __future__ import annotations

from itertools import chain
from math import pi
from typing import TYPE_CHECKING

import pytest

from medbench.errors import MissingDataError
from medbench.masks import decode_mask
from medbench.samples import Box, PhantomSize
from medbench_datasets import object_cxr, object_cxr_phantom
from medbench_datasets.object_cxr_shapes import POLYGON, ShapeError, cover, parse, released_box, tight_box
from tests.datasets.tampering import edit_csv, kinds

if TYPE_CHECKING:
    from pathlib import Path

SIZE = PhantomSize(images=20, side=48, seed=3)
CASES = {case.name: case for case in object_cxr_phantom.draw_cases(SIZE)}
TRAIN = [name for name, case in CASES.items() if not case.dev]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    object_cxr_phantom.write_phantom(tmp_path, SIZE)
    return tmp_path


def test_a_cell_holds_objects_of_three_types() -> None:
    shapes = parse("0 10 20 30 60;1 4 4 8 12; 2 0 0 9 0 9 7 ;")
    assert [shape.kind for shape in shapes] == ["0", "1", "2"]
    assert [tight_box(shape) for shape in shapes] == [Box(0, 10, 20, 20, 40), Box(0, 4, 4, 4, 8), Box(0, 0, 0, 9, 7)]
    assert parse("") == ()


@pytest.mark.parametrize("text", ["3 1 1 2 2", "0 1 1 2", "0 1 1", "2 1 1 2 2", "1 1 x 2 2", "0 1 1 2 nan", "rect"])
def test_malformed_objects_are_refused(text: str) -> None:
    with pytest.raises(ShapeError):
        parse(f"0 1 1 2 2;{text}")


def test_shapes_cover_the_pixels_of_their_kind() -> None:
    rectangle, ellipse, triangle = (
        cover(parse(text), 100, 120).astype(int) for text in ("0 20 10 80 50", "1 20 10 80 50", "2 20 10 80 10 20 50")
    )
    assert rectangle.sum() == rectangle[10:50, 20:80].sum() == 60 * 40
    assert ellipse.sum() == pytest.approx(pi / 4 * 60 * 40, rel=0.01)
    assert (ellipse <= rectangle).all()
    assert (ellipse[10:50, 20:80] == ellipse[10:50, 20:80][::-1, ::-1]).all()
    assert triangle.sum() == pytest.approx(60 * 40 / 2, rel=0.03)
    both = cover(parse("0 20 10 80 50;1 20 10 80 50"), 100, 120)
    assert (both == rectangle).all()


def test_what_leaves_the_image_is_cut_off() -> None:
    assert cover(parse("0 -5 -5 5 5;1 15 15 99 99;2 -9 30 9 30 0 99"), 20, 20)[:5, :5].all()
    assert not cover(parse("0 -9 -9 -2 -2;1 30 30 40 40"), 20, 20).any()


def test_the_released_box_of_a_polygon_is_looser_than_the_tight_one_by_the_widening() -> None:
    pytest.importorskip("shapely")
    polygon = parse("2 300 300 500 320 480 600 310 580")[0]
    tight, loose = tight_box(polygon), released_box(polygon)
    slack = pytest.approx(0, abs=0.1)  # shapely's round ends are polygons
    assert min(0, tight.x - 100 - loose.x, tight.y - 100 - loose.y) == slack
    assert min(0, loose.x + loose.width - (tight.x + tight.width + 100)) == slack
    assert min(0, loose.y + loose.height - (tight.y + tight.height + 100)) == slack
    assert polygon.kind == POLYGON
    rectangle = parse("0 10 20 30 60")[0]
    assert released_box(rectangle) == tight_box(rectangle)


def test_the_released_box_of_a_straight_line_of_points_is_known() -> None:
    """Of a level line widened by 100 pixels the pole lies on the line, so that the half height is 100."""
    pytest.importorskip("shapely")
    box = released_box(parse("2 200 500 500 500 800 500")[0])
    assert box.y + box.height / 2 == pytest.approx(500, abs=10)
    assert box.height == pytest.approx(200, abs=20)
    assert box.x <= 100 and box.x + box.width >= 900


def test_the_phantom_reads_back_as_it_was_drawn(root: Path) -> None:
    raw = object_cxr.read(root)
    assert kinds(raw) == []
    assert sorted(sample.sample_id for sample in raw.samples) == sorted(CASES)
    for sample in raw.samples:
        case = CASES[sample.sample_id]
        assert sample.image == f"{'dev' if case.dev else 'train'}/{case.name}"
        assert (root / sample.image).is_file()
        assert sample.labels == {object_cxr.LABEL: int(bool(case.shapes))}
        assert sample.boxes == tuple(tight_box(shape) for shape in case.shapes)
        assert sample.mask is not None
        assert (decode_mask(sample.mask) == cover(case.shapes, SIZE.side, SIZE.side)).all()
        for box in sample.boxes:
            assert case.pixels[int(box.y + box.height / 2), int(box.x + box.width / 2)] > case.pixels.mean()
    assert {shape.kind for case in CASES.values() for shape in case.shapes} == {"0", "1", "2"}


def test_the_split_is_nine_to_one_of_the_training_list_and_dev(root: Path) -> None:
    split = object_cxr.read(root).splits["mgca"]
    assert {part: len(ids) for part, ids in split.items()} == {"train": 14, "valid": 2, "test": 4}
    assert sorted(chain(split["train"], split["valid"])) == TRAIN
    assert split["test"] == [name for name in CASES if name not in TRAIN]


def test_the_official_numbers_of_rows_give_the_published_sizes() -> None:
    from medbench_datasets.splits import draw_valid

    parts = draw_valid([f"{index:05d}.jpg" for index in range(1, 8_001)], object_cxr.VALID_SHARE)
    sizes = object_cxr.SPEC.split("mgca").sizes
    assert {part: len(ids) for part, ids in parts.items()} == {"train": sizes["train"], "valid": sizes["valid"]}


def test_a_bad_row_leaves_its_image_out_and_the_others_where_they_were(root: Path) -> None:
    before = object_cxr.read(root)
    edit_csv(root / "train.csv", lambda rows: rows[1].__setitem__(1, "7 1 1 2 2"))
    edit_csv(root / "train.csv", lambda rows: rows[2].__setitem__(1, "0 500 500 600 600"))
    edit_csv(root / "train.csv", lambda rows: rows[3].append("0 1 1 2 2"))
    raw = object_cxr.read(root)
    assert sorted(kinds(raw)) == ["bad-row", "bad-row", "bad-row", "box-outside"]
    assert raw.listed == SIZE.images
    lost = set(TRAIN[:3])
    for part, ids in before.splits["mgca"].items():
        assert raw.splits["mgca"][part] == [name for name in ids if name not in lost]


def test_names_twice_or_that_are_no_file_are_reported(root: Path) -> None:
    edit_csv(root / "dev.csv", lambda rows: rows.extend([[TRAIN[0], ""], ["../x.jpg", ""], ["", ""]]))
    raw = object_cxr.read(root)
    assert kinds(raw) == ["duplicate-id", "bad-row", "bad-row"]
    assert len(raw.samples) == raw.listed - 2 == SIZE.images


def test_boxes_that_leave_the_image_are_clipped(root: Path) -> None:
    edit_csv(root / "train.csv", lambda rows: rows[1].__setitem__(1, "0 40 40 60 44"))
    sample = next(one for one in object_cxr.read(root).samples if one.sample_id == TRAIN[0])
    assert sample.boxes == (Box(0, 40, 40, 8, 4),)
    assert sample.mask is not None
    assert decode_mask(sample.mask).sum() == 32


def test_an_absent_image_is_left_to_the_preparation_and_nan_means_none(root: Path) -> None:
    (root / "train" / TRAIN[0]).unlink()
    edit_csv(root / "train.csv", lambda rows: rows[2].__setitem__(1, "NaN"))
    raw = object_cxr.read(root)
    assert kinds(raw) == []
    assert (raw.samples[0].boxes, raw.samples[0].mask) == (None, None)
    assert raw.samples[1].boxes == ()


def test_an_absent_list_or_column_is_one_error(root: Path) -> None:
    table = root / "dev.csv"
    table.write_text(table.read_text().replace("annotation", "boxes", 1))
    with pytest.raises(MissingDataError, match=r"dev\.csv has no column 'annotation'"):
        object_cxr.read(root)
    table.unlink()
    with pytest.raises(MissingDataError, match=r"dev\.csv is missing"):
        object_cxr.read(root)
