"""A large manifest is mapped from an Arrow file that is made from its Parquet, which stays the truth."""

from __future__ import annotations

import pyarrow as pa
import pytest

from medbench import manifest_files
from medbench.errors import MissingDataError
from medbench.manifest import ImageFacts, build_table
from medbench.manifest_files import content_hash, read_table, write_table
from medbench.samples import Box, Sample


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(manifest_files, "_LARGE", 10)
    monkeypatch.setattr(manifest_files, "_ROWS", 8)


def table_of(count, label=0):
    samples = [
        Sample(
            sample_id=f"s{one}",
            patient_id="p",
            image=f"{one}.png",
            labels={"A": label},
            boxes=(Box(0, 1.0, 2.0, 3.0, 4.0),),
        )
        for one in range(count)
    ]
    return build_table(samples, ("A",), [ImageFacts(9, 9, "x")] * count)


def sidecars(folder):
    return sorted(folder.glob("*.arrow"))


def test_a_mapped_table_is_the_table(tmp_path):
    path = tmp_path / "toy.parquet"
    write_table(table_of(30), path)
    first, second = read_table(path), read_table(path)
    assert first.equals(table_of(30)) and second.equals(first)
    assert first.schema == manifest_files.SCHEMA
    assert len(sidecars(tmp_path)) == 1
    allocated = pa.total_allocated_bytes()
    kept = read_table(path)
    assert pa.total_allocated_bytes() - allocated < 1024
    assert kept.num_rows == 30


def test_a_small_table_has_no_second_file(tmp_path):
    write_table(table_of(9), tmp_path / "toy.parquet")
    assert read_table(tmp_path / "toy.parquet").equals(table_of(9))
    assert sidecars(tmp_path) == []


def test_another_parquet_makes_another_file(tmp_path):
    path = tmp_path / "toy.parquet"
    write_table(table_of(30), path)
    read_table(path)
    before = sidecars(tmp_path)
    write_table(table_of(30, label=1), path)
    assert read_table(path).equals(table_of(30, label=1))
    assert len(sidecars(tmp_path)) == 1
    assert sidecars(tmp_path) != before


@pytest.mark.parametrize("harm", [lambda data: data[:-50], lambda data: b"", lambda data: data.replace(b"s11", b"s99")])
def test_a_damaged_file_is_made_again(tmp_path, harm):
    path = tmp_path / "toy.parquet"
    write_table(table_of(30), path)
    read_table(path)
    (place,) = sidecars(tmp_path)
    place.write_bytes(harm(place.read_bytes()))
    assert read_table(path).equals(table_of(30))
    assert len(sidecars(tmp_path)) == 1


def test_where_nothing_can_be_written_the_table_is_read_whole(tmp_path, monkeypatch):
    def refuse(**_):
        raise OSError("read-only")

    write_table(table_of(30), tmp_path / "toy.parquet")
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    assert read_table(tmp_path / "toy.parquet").equals(table_of(30))
    assert sidecars(tmp_path) == []


def test_a_damaged_parquet_is_said(tmp_path):
    path = tmp_path / "toy.parquet"
    write_table(table_of(30), path)
    read_table(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(MissingDataError, match=r"toy\.parquet is damaged"):
        read_table(path)


def test_the_hash_is_of_the_rows_and_not_of_their_chunks():
    how = {"dataset": "toy", "version": 1, "names": [["A"]]}
    pieces = pa.concat_tables([table_of(30).slice(start, 7) for start in range(0, 30, 7)])
    assert content_hash(pieces, **how) == content_hash(table_of(30), **how)
    assert content_hash(table_of(30, label=1), **how) != content_hash(table_of(30), **how)
