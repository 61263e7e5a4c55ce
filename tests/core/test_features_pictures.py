"""What is encoded: rows left on the disk, regions, further images, studies, colour, and streams of images."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.samples import Region, Sample
from tests.core.feature_toys import Brightness, draw, features


def test_rows_on_the_disk_are_those_in_memory(tmp_path):
    manifest = draw(tmp_path, 20)
    source = features(Brightness(), tmp_path)
    rows = source.rows(manifest, "means", lambda model, images: model.encode_images(images))
    mapped = source.mapped_rows(manifest.take([3, 1, 3]), "means", lambda model, images: model.encode_images(images))
    assert (len(mapped), mapped.row_shape, source.model.seen) == (3, (2,), 20)
    np.testing.assert_array_equal(mapped[0], rows[3])
    np.testing.assert_array_equal(mapped.take([1, 2]), rows[[1, 3]])


def test_a_damaged_segment_is_made_again_for_mapped_rows_too(tmp_path):
    manifest = draw(tmp_path, 5)
    features(Brightness(), tmp_path).rows(manifest, "means", lambda model, images: model.encode_images(images))
    (segment,) = (tmp_path / "features").rglob("*.safetensors")
    segment.write_bytes(segment.read_bytes()[:-4] + b"\0\0\0\0")
    source = features(Brightness(), tmp_path)
    mapped = source.mapped_rows(manifest, "means", lambda model, images: model.encode_images(images))
    assert source.damaged == 1
    np.testing.assert_allclose(mapped.take(range(5))[:, 0], np.arange(5) / 255, rtol=1e-6)


def test_the_regions_and_further_images_of_samples_are_told_apart(tmp_path):
    pixels = np.zeros((10, 10), np.uint8)
    pixels[:, 5:] = 255
    Image.fromarray(pixels).save(tmp_path / "half.png")
    Image.fromarray(pixels[:, :5]).save(tmp_path / "dark.png")
    one = Sample(sample_id="a", patient_id="p", image="half.png", others=("dark.png",))
    samples = [
        one,
        dataclasses.replace(one, region=Region(5, 0, 5, 10)),
        dataclasses.replace(one, region=Region(0, 0, 5, 5)),
    ]
    manifest = Manifest("toy", tmp_path, (), "0" * 64, True, build_table(samples, (), [ImageFacts(10, 10, "")] * 3))
    source = features(Brightness(), tmp_path)
    np.testing.assert_allclose(source.encode(manifest)[:, 1], [1, 1, 0])
    np.testing.assert_allclose(source.encode(manifest)[1:, 0], [1, 0])
    np.testing.assert_allclose(source.encode(manifest, image=0)[:, 1], [0, 0, 0])


def test_a_colour_dataset_is_shown_in_colour(tmp_path):
    Image.new("RGB", (10, 10), (255, 0, 0)).save(tmp_path / "red.png")
    table = build_table([Sample(sample_id="a", patient_id="p", image="red.png")], (), [ImageFacts(10, 10, "")])
    grey = Manifest("toy", tmp_path, (), "0" * 64, True, table)
    source = features(Brightness(), tmp_path)
    (batch,) = source.images(dataclasses.replace(grey, colour=True), batch=4)
    assert batch[0, :, 0, 0].tolist() == [1, 0, 0]
    (batch,) = source.images(grey, batch=4)
    assert len(set(batch[0, :, 0, 0].tolist())) == 1


def test_streamed_images_come_in_order_in_batches(tmp_path):
    manifest = draw(tmp_path, 7)
    batches = list(features(Brightness(), tmp_path).images(manifest, batch=3))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    np.testing.assert_allclose(torch.cat(batches)[:, 0, 0, 0] * 255, np.arange(7), rtol=1e-5)


@pytest.mark.parametrize("colour", [False, True])
def test_a_study_is_its_first_two_images_or_its_only_one_twice(tmp_path, colour):
    for name, level in (("a", 51), ("b", 102), ("c", 153)):
        Image.new("L", (10, 10), level).save(tmp_path / f"{name}.png")
    studies = [("a", "b", "c"), ("c",), ("a",)]
    samples = [
        Sample(
            sample_id=one[0] + str(len(one)),
            patient_id="p",
            image=f"{one[0]}.png",
            others=tuple(f"{x}.png" for x in one[1:]),
        )
        for one in studies
    ]
    table = build_table(samples, (), [ImageFacts(10, 10, "", others_sha256=("",) * len(one.others)) for one in samples])
    manifest = Manifest("toy", tmp_path, (), "0" * 64, True, table, colour=colour)
    source = features(Brightness(), tmp_path)
    rows = source.rows(manifest, "pairs", lambda model, images: images[:, :, 0, 0, 0], studies=True)
    np.testing.assert_allclose(rows, [[0.2, 0.4], [0.6, 0.6], [0.2, 0.2]], rtol=1e-6)
    mapped = source.mapped_rows(manifest, "pairs", lambda model, images: images[:, :, 0, 0, 0], studies=True)
    np.testing.assert_array_equal(mapped.take([2, 0]), rows[[2, 0]])
