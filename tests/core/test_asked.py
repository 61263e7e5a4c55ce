"""What is asked of a manifest is read lazily, in any order, and told apart by 64 bits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from medbench import asked
from medbench.asked import AskedPictures, id_hash, picture_id
from medbench.errors import MissingDataError
from medbench.manifest import ImageFacts, Manifest, Picture, build_table
from medbench.samples import Region, Sample


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    monkeypatch.setattr(asked, "_WINDOW", 3)
    samples = [
        Sample(
            sample_id=f"s{index}",
            patient_id="p",
            image=f"{index}.png",
            others=(f"{index}-b.png",) if index % 2 else (),
            region=Region(index, 0, 5, 5) if index % 3 == 0 else None,
        )
        for index in range(10)
    ]
    return Manifest("toy", tmp_path, (), "0" * 64, True, build_table(samples, (), [ImageFacts(10, 10, "")] * 10))


def test_pictures_are_those_of_the_manifest_whatever_the_window(manifest):
    pictures = AskedPictures(manifest, "image")
    assert [one for (one,) in pictures] == manifest.pictures()
    assert pictures.hashes().tolist() == [id_hash(one.id) for one in manifest.pictures()]
    rows = np.array([7, 2, 3, 9, 2])
    assert [one for (one,) in pictures.at(rows)] == [manifest.pictures()[row] for row in rows]


def test_a_study_is_its_first_two_images_or_its_only_one_twice(manifest):
    studies = list(AskedPictures(manifest, "image", studies=True))
    assert studies[1] == (Picture("1.png"), Picture("1-b.png"))
    assert studies[2] == (Picture("2.png"), Picture("2.png"))
    assert picture_id(studies[0]) == "0.png#0,0,5,5|0.png#0,0,5,5"


def test_the_sample_without_such_an_image_is_named(manifest):
    with pytest.raises(MissingDataError, match="sample s0 has no further image 0"):
        AskedPictures(manifest, 0).hashes()
    assert len(AskedPictures(manifest.take([1, 3]), 0).hashes()) == 2
    gone = dataclasses.replace(manifest, table=manifest.table.slice(0, 4))
    with pytest.raises(MissingDataError, match="sample s0 has no earlier image"):
        list(AskedPictures(gone, "previous"))


def test_a_window_is_read_once_for_rows_that_follow_one_another(manifest, monkeypatch):
    pictures = AskedPictures(manifest, "image")
    starts = []
    whole = pictures._window
    monkeypatch.setattr(pictures, "_window", lambda start: starts.append(start) or whole(start))
    list(pictures.at(np.arange(10)))
    assert starts == [0, 3, 6, 9]
