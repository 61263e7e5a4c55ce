"""A manifest reads the same pixels with and without the kept ones, and notices a source that has changed."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from medbench.errors import MissingDataError
from medbench.images import ImageError
from medbench.manifest import Manifest, Picture
from medbench.pixels.sources import build, key_of
from medbench.pixels.store import KeptPixels
from medbench.samples import Sample
from tests.core.pixel_toys import Toy, draw, study


def pictures_of(manifest: Manifest) -> list[Picture]:
    """Every picture, of whatever column."""
    with_image = manifest.take([index for index, row in enumerate(manifest.rows()) if row.width])
    pairs = manifest.take([index for index, row in enumerate(manifest.rows()) if row.previous])
    found = [*with_image.pictures(), *pairs.pictures("previous")]
    found += [Picture(name) for names in manifest.table.column("others").to_pylist() for name in names]
    return list(dict.fromkeys(found))


def without(manifest: Manifest) -> Manifest:
    return replace(manifest, kept=None, sources=None)


def kept_of(manifest: Manifest) -> KeptPixels:
    assert manifest.kept is not None
    return manifest.kept


@pytest.mark.parametrize("side", [0, 8])
@pytest.mark.parametrize("colour", [False, True])
def test_every_picture_is_kept_and_is_what_decoding_gives(tmp_path: Path, side: int, colour: bool) -> None:
    toy = replace(study(tmp_path), colour=colour)
    toy.prepare(pixel_side=side)
    manifest = toy.load(pixel_side=side)
    pictures = pictures_of(manifest)
    assert len(pictures) == len(kept_of(manifest)) == 7
    raw = {one: without(manifest).read(one) for one in pictures}
    greys = [row.pixels() for row in without(manifest).rows() if row.width]
    for path in toy.root.rglob("*.png"):  # of the same stamp, but what they hold is gone: nothing is decoded now
        stat = path.stat()
        path.write_bytes(bytes(stat.st_size))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    for picture in pictures:
        pixels = manifest.read(picture)
        assert pixels.shape == raw[picture].shape
        assert (pixels == raw[picture]).all()
        assert pixels.ndim == (3 if colour else 2)
        assert not side or min(pixels.shape[:2]) <= side
    if not colour:
        rows = [row for row in manifest.rows() if row.width]
        assert all((row.pixels() == grey).all() for row, grey in zip(rows, greys, strict=True))
    assert kept_of(manifest).damaged == 0


def test_a_part_and_a_subset_keep_the_store(tmp_path: Path) -> None:
    toy = study(tmp_path)
    toy.prepare()
    manifest = toy.load()
    part = manifest.take([4, 0])
    assert part.kept is manifest.kept
    assert part.sources is manifest.sources
    assert part.distinct()[0].kept is manifest.kept


def test_a_changed_source_is_noticed_with_and_without_kept_pixels(tmp_path: Path) -> None:
    toy = study(tmp_path)
    toy.prepare()
    draw(toy.root / "a.png", 20, 31, seed=99)
    for manifest in (toy.load(), replace(toy.load(), kept=None)):
        with pytest.raises(MissingDataError, match=r"a.png has changed since drawn was prepared - .* prepare drawn$"):
            manifest.read(Picture("a.png"))
        assert manifest.read(Picture("b.png")).shape == (21, 31)
    before = toy.load().sha256
    assert toy.prepare(force=True).sha256 != before
    assert (toy.load().read(Picture("a.png")) == without(toy.load()).read(Picture("a.png"))).all()


def test_a_copied_source_of_another_time_is_the_same(tmp_path: Path) -> None:
    toy = study(tmp_path)
    toy.prepare()
    os.utime(toy.root / "a.png", ns=(1, 1))
    manifest = toy.load()
    assert manifest.read(Picture("a.png")).shape == (20, 31)
    assert kept_of(manifest).damaged == 0


def test_a_source_that_is_gone_is_told_as_without_the_store(tmp_path: Path) -> None:
    toy = study(tmp_path)
    toy.prepare()
    (toy.root / "a.png").unlink()
    for manifest in (toy.load(), without(toy.load())):
        with pytest.raises(ImageError, match=r"no such image: a\.png"):
            manifest.read(Picture("a.png"))


def test_a_damaged_store_costs_time_only(tmp_path: Path) -> None:
    toy = study(tmp_path)
    toy.prepare()
    raw = without(toy.load())
    path = next((tmp_path / "cache" / "pixels").glob("*-full/*.bin"))
    path.write_bytes(path.read_bytes()[:100])
    manifest = toy.load()
    for picture in pictures_of(manifest):
        assert (manifest.read(picture) == raw.read(picture)).all()
    assert kept_of(manifest).damaged > 0


def test_a_store_that_is_absent_or_read_only_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = study(tmp_path)
    toy.prepare(keep_pixels="never")
    manifest = toy.load()
    assert len(kept_of(manifest)) == 0
    assert manifest.read(Picture("a.png")).shape == (20, 31)
    toy.prepare()

    def refuse(path: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "utime", refuse)
    assert len(kept_of(toy.load())) == 7


def test_the_list_of_sources_is_a_part_of_the_manifest(tmp_path: Path) -> None:
    toy = study(tmp_path)
    toy.prepare()
    path = toy.files().sources_path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(MissingDataError, match=r"the manifest of drawn is damaged - medbench data prepare drawn$"):
        toy.load()


def test_two_paths_of_one_key_are_both_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"a": 1, "b": 1, "c": 2}
    monkeypatch.setattr("medbench.pixels.sources.key_of", keys.__getitem__)
    found = build((name, (1, 2), "00" * 32) for name in keys)  # type: ignore[misc]
    assert found["key"].tolist() == [2]
    assert key_of("a") != key_of("b")


class _Reads(Dataset[NDArray[np.uint8]]):
    def __init__(self, manifest: Manifest, pictures: Sequence[Picture]) -> None:
        self.manifest = manifest
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return np.array(self.manifest.read(self.pictures[index]))


def test_it_is_read_by_threads_and_by_processes_and_after_a_pickle(tmp_path: Path) -> None:
    toy = study(tmp_path)
    toy.prepare()
    manifest = toy.load()
    pictures = pictures_of(manifest) * 3
    raw = [without(manifest).read(one) for one in pictures]
    with ThreadPoolExecutor(8) as pool:
        threads = list(pool.map(manifest.read, pictures))
    forked = list(DataLoader(_Reads(manifest, pictures), batch_size=None, num_workers=2))
    sent = pickle.loads(pickle.dumps(manifest))
    for one, of_thread, of_fork, picture in zip(raw, threads, forked, pictures, strict=True):
        assert (one == of_thread).all()
        assert (one == np.asarray(of_fork)).all()
        assert (one == sent.read(picture)).all()
    assert (kept_of(manifest).damaged, sent.kept.damaged) == (0, 0)


def test_what_is_kept_cannot_be_written_to(tmp_path: Path) -> None:
    toy = study(tmp_path)
    toy.prepare()
    with pytest.raises(ValueError, match="read-only"):
        toy.load().read(Picture("a.png"))[0, 0] = 1


def test_a_dataset_of_texts_alone_has_no_store(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    toy = Toy(tmp_path / "raw", tmp_path / "cache", [Sample(sample_id="1", patient_id="p", texts=("x",))], [])
    toy.prepare()
    assert toy.said == []
    assert len(kept_of(toy.load())) == 0
