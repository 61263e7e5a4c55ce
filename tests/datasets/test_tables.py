"""CSV reading: header tolerance, and one-line errors for what is missing."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from medbench.errors import MissingDataError
from medbench_datasets.tables import find_table, is_file_name, read_csv

if TYPE_CHECKING:
    from pathlib import Path


def test_spaces_around_header_and_cells_and_a_byte_order_mark_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfImageId, EncodedPixels\n a , -1 \n\nb,\n")
    rows = read_csv(path, ("ImageId", "EncodedPixels"))
    assert [(row.line, dict(row.cells)) for row in rows] == [
        (2, {"ImageId": "a", "EncodedPixels": "-1"}),
        (4, {"ImageId": "b", "EncodedPixels": ""}),
    ]


def test_short_rows_read_as_blank_cells(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1\n")
    assert read_csv(path, ("a",))[0].cells == {"a": "1", "b": ""}


@pytest.mark.parametrize(("row", "surplus"), [("1,2", False), ("1,2,", False), ("1,2, ,", False), ("1,2,3", True)])
def test_a_row_says_whether_a_cell_beyond_the_header_holds_something(tmp_path: Path, row: str, surplus: bool) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"a,b\n{row}\n")
    assert [one.surplus for one in read_csv(path, ("a", "b"))] == [surplus]


def test_a_packed_table_reads_like_an_unpacked_one_and_a_cut_one_is_one_error(tmp_path: Path) -> None:
    plain, packed = tmp_path / "t.csv", tmp_path / "p.csv.gz"
    plain.write_bytes(b"\xef\xbb\xbfa,b\r\n1,2\r\n")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_csv(packed, ("a",)) == read_csv(plain, ("a",))
    assert (find_table(tmp_path, "t"), find_table(tmp_path, "p"), find_table(tmp_path, "x")) == (plain, packed, None)
    packed.write_bytes(packed.read_bytes()[:-4])
    with pytest.raises(MissingDataError, match=r"p\.csv\.gz is not a whole gzip file"):
        read_csv(packed, ("a",))


def test_a_missing_column_is_named_with_the_file_and_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("patientId,x\n")
    with pytest.raises(MissingDataError, match=r"t\.csv has no column 'y', 'Target'; it has patientId, x - .*official"):
        read_csv(path, ("patientId", "x", "y", "Target"))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'a\n"unclosed', b"a\n\x00\n"])
def test_what_is_not_csv_text_is_one_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(MissingDataError, match=r"t\.csv"):
        read_csv(path, ("b",))


def test_a_missing_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"t\.csv is missing"):
        read_csv(tmp_path / "t.csv", ())


@pytest.mark.parametrize(
    ("cell", "good"), [("1.2.840", True), ("a-b", True), ("", False), ("..", False), ("a/b", False)]
)
def test_only_bare_names_may_name_a_file(cell: str, good: bool) -> None:
    assert is_file_name(cell) is good
