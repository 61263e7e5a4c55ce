"""A manifest gives back what the reader found, and its hash tells any change of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from medbench.errors import MissingDataError
from medbench.manifest import (
    SCHEMA,
    ImageFacts,
    Manifest,
    build_table,
)
from medbench.manifest_files import content_hash, read_table, write_table
from medbench.masks import decode_mask, empty_mask, encode_mask
from medbench.samples import Box, Region, Sample

PIXELS = np.zeros((6, 4), np.uint8)
PIXELS[1:3, 2] = 1
LABELS = ("opacity", "mass")
SAMPLES = (
    Sample(
        sample_id="a",
        patient_id="p1",
        image="x/a.png",
        labels={"opacity": 1},
        boxes=(Box(0, 1.5, 2.0, 1.0, 3.0), Box(1, 0.0, 0.0, 1.0, 1.0)),
        mask=encode_mask(PIXELS),
        attributes={"sex": "F", "view": "PA"},
    ),
    Sample(sample_id="b", patient_id="p1", image="x/b.png", labels={"mass": 0}, boxes=(), mask=empty_mask(6, 4)),
    Sample(sample_id="c", patient_id="p2", image="x/c.png"),
)
FACTS = tuple(ImageFacts(6, 4, letter * 64) for letter in "123")


NAMES = (["opacity"], ["absent", "present"], ["opacity"])


def _table(samples: Sequence[Sample] = SAMPLES, facts: Sequence[ImageFacts] = FACTS) -> pa.Table:
    return build_table(samples, LABELS, facts)


def _manifest(root: Path, table: pa.Table | None = None) -> Manifest:
    return Manifest("toy", root, LABELS, "0" * 64, False, _table() if table is None else table)


def test_rows_hold_what_the_samples_held(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path)
    first, second, third = manifest.rows()
    assert len(manifest) == 3
    assert manifest.sample_ids == ["a", "b", "c"]
    assert manifest.patient_ids == ["p1", "p1", "p2"]
    assert first.boxes == SAMPLES[0].boxes
    assert (first.labels, second.labels, third.labels) == ((1, -1), (-1, 0), (-1, -1))
    assert first.mask is not None
    assert (decode_mask(first.mask) == PIXELS).all()
    assert first.image == tmp_path / "x/a.png"
    assert (first.height, first.width) == (6, 4)


def test_nothing_to_find_and_not_annotated_stay_apart(tmp_path: Path) -> None:
    _, empty, unknown = _manifest(tmp_path).rows()
    assert empty.boxes == ()
    assert empty.mask == empty_mask(6, 4)
    assert unknown.boxes is None
    assert unknown.mask is None


def test_pixels_are_decoded_from_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    Image.fromarray(PIXELS * 200).save(tmp_path / "x/a.png")
    assert (_manifest(tmp_path).row(0).pixels() == PIXELS * 200).all()


def test_a_part_keeps_the_order_and_the_hash_and_an_empty_one_is_an_error(tmp_path: Path) -> None:
    splits = pa.array([["official/train"], ["official/test", "other/train"], ["official/train"]], pa.list_(pa.string()))
    index = SCHEMA.get_field_index("splits")
    manifest = _manifest(tmp_path, _table().set_column(index, SCHEMA.field(index), splits))
    train = manifest.part("official", "train")
    assert train.sample_ids == ["a", "c"]
    assert train.sha256 == manifest.sha256
    assert manifest.part("other", "train").sample_ids == ["b"]
    with pytest.raises(MissingDataError, match="valid part of split 'official'"):
        manifest.part("official", "valid")


def test_take_gives_the_asked_order(tmp_path: Path) -> None:
    assert _manifest(tmp_path).take([2, 0]).sample_ids == ["c", "a"]


def test_parquet_gives_back_the_table_and_its_hash(tmp_path: Path) -> None:
    table = _table()
    write_table(table, tmp_path / "m.parquet")
    back = read_table(tmp_path / "m.parquet")
    assert back.equals(table)
    assert content_hash(back, dataset="toy", version=1, names=NAMES) == content_hash(
        table, dataset="toy", version=1, names=NAMES
    )


def test_the_hash_does_not_depend_on_how_the_table_is_chunked() -> None:
    table = _table()
    chunked = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    assert content_hash(chunked, dataset="toy", version=1, names=NAMES) == content_hash(
        table, dataset="toy", version=1, names=NAMES
    )


def test_the_hash_tells_every_change() -> None:
    first, second, third = SAMPLES
    changed = [
        _table((replace(first, sample_id="z"), second, third)),
        _table((replace(first, patient_id="z"), second, third)),
        _table((replace(first, labels={"opacity": 0}), second, third)),
        _table((replace(first, boxes=None), second, third)),
        _table((replace(first, boxes=()), second, third)),
        _table((replace(first, mask=None), second, third)),
        _table((replace(first, attributes={}), second, third)),
        _table((second, first, third)),
        _table(SAMPLES[:2], FACTS[:2]),
        _table(facts=(*FACTS[:2], ImageFacts(6, 4, "f" * 64))),
        _table(facts=(*FACTS[:2], ImageFacts(4, 6, "3" * 64))),
    ]
    hashes = [content_hash(table, dataset="toy", version=1, names=NAMES) for table in (_table(), *changed)]
    hashes.append(content_hash(_table(), dataset="other", version=1, names=NAMES))
    hashes.append(content_hash(_table(), dataset="toy", version=2, names=NAMES))
    renamed = [
        (["sick"], ["absent", "present"], []),
        (NAMES[0], ["improving", "worsening"], []),
        (*NAMES[:2], ["lung"]),
    ]
    hashes += [content_hash(_table(), dataset="toy", version=1, names=names) for names in renamed]
    assert len(set(hashes)) == len(hashes)


def test_a_damaged_manifest_says_how_to_mend_it(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    write_table(_table(), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(MissingDataError, match="damaged - medbench data prepare --force"):
        read_table(path)
    pq.write_table(_table().drop_columns(["boxes"]), path)
    with pytest.raises(MissingDataError, match="other columns"):
        read_table(path)
    with pytest.raises(MissingDataError):
        read_table(tmp_path / "absent.parquet")


STUDY = Sample(
    sample_id="q",
    patient_id="p",
    image="f.png",
    others=("side.png", "top.png"),
    region=Region(1, 2, 3, 4),
    texts=("Is it there?",),
    answers=("yes", "Yes"),
    details={"answer_type": "CLOSED", "plane": ""},
)


def _questions(root: Path, *samples: Sample) -> Manifest:
    facts = [ImageFacts(6, 4, "1" * 64, others_sha256=("2" * 64,) * len(sample.others)) for sample in samples]
    return Manifest("toy", root, (), "0" * 64, False, build_table(samples, (), facts))


def test_a_question_about_a_region_of_a_study_comes_back(tmp_path: Path) -> None:
    manifest = _questions(tmp_path, STUDY)
    row = manifest.row(0)
    assert (row.others, row.region) == ((tmp_path / "side.png", tmp_path / "top.png"), Region(1, 2, 3, 4))
    assert (row.texts, row.answers, dict(row.details)) == (STUDY.texts, STUDY.answers, STUDY.details)
    assert (manifest.texts, manifest.answers) == ([["Is it there?"]], [["yes", "Yes"]])
    assert (manifest.detail("answer_type"), manifest.detail("plane"), manifest.detail("none")) == (
        ["CLOSED"],
        [""],
        [""],
    )
    assert [picture.id for picture in manifest.pictures()] == ["f.png#1,2,3,4"]
    assert [picture.id for picture in manifest.pictures(1)] == ["top.png"]


def test_pictures_name_the_sample_that_lacks_one(tmp_path: Path) -> None:
    manifest = _questions(tmp_path, STUDY, replace(STUDY, sample_id="r", others=("side.png",)))
    with pytest.raises(MissingDataError, match="sample r has no further image 1"):
        manifest.pictures(1)
    with pytest.raises(MissingDataError, match="sample q has no earlier image"):
        manifest.pictures("previous")


def test_distinct_pictures_are_those_of_another_file_or_region(tmp_path: Path) -> None:
    whole, other = replace(STUDY, region=None), replace(STUDY, image="g.png")
    manifest = _questions(tmp_path, STUDY, whole, STUDY, other, whole)
    distinct, index = manifest.distinct()
    assert [picture.id for picture in distinct.pictures()] == ["f.png#1,2,3,4", "f.png", "g.png#1,2,3,4"]
    assert index.tolist() == [0, 1, 0, 2, 1]


def test_a_long_table_is_made_in_batches_and_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, facts = SAMPLES * 3, FACTS * 3
    whole = build_table(samples, LABELS, facts)
    monkeypatch.setattr("medbench.manifest._BATCH", 4)
    assert build_table(samples, LABELS, facts).equals(whole)
    assert build_table((), LABELS, ()).schema == SCHEMA


def test_pixels_of_a_region_are_those_of_it(tmp_path: Path) -> None:
    Image.fromarray(np.arange(24, dtype=np.uint8).reshape(6, 4)).save(tmp_path / "f.png")
    assert _questions(tmp_path, STUDY).row(0).pixels().tolist() == [
        [9, 10, 11],
        [13, 14, 15],
        [17, 18, 19],
        [21, 22, 23],
    ]


def test_a_split_that_is_not_there_says_which_are(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"the test part of split 'other' \(there are: none\)"):
        _manifest(tmp_path).part("other", "test")
