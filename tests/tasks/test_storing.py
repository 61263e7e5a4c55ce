"""What is written appears whole or not at all, and a full disk is told in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from dense_toys import blob_manifest, blobs, toy_context

from medbench.capabilities import Preprocess
from medbench.errors import StoreError
from medbench_tasks.detection.protocol import PROTOCOL
from medbench_tasks.pixels import SquashedPixels, normalise, preprocess_of
from medbench_tasks.recipes import QUICK_DETECTION, TrainingRecipe
from medbench_tasks.storing import whole_file

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full to stand for a full disk")


def fill_disk_under(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(path.name + ".part").symlink_to(FULL)


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with whole_file(path) as file:
        file.write(b"all of it")
        assert not path.exists()
    assert path.read_bytes() == b"all of it"
    assert [one.name for one in path.parent.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot write .*state: "), whole_file(tmp_path / "file" / "state"):
        pass


@needs_full
def test_a_full_disk_under_the_pixels_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    manifest = blob_manifest(tmp_path / "images", blobs(4))
    context = toy_context(tmp_path / "work", QUICK_DETECTION, train=manifest)
    path = context.work_dir / "pixels-train-64.npy"
    fill_disk_under(path)
    with pytest.raises(StoreError, match=r"pixels-train-64\.npy: No space left on device - free some space or choose"):
        SquashedPixels.prepare(manifest, "train", 64, context)
    assert list(context.work_dir.iterdir()) == []


@needs_full
def test_a_full_disk_under_the_training_state_is_told(tmp_path: Path) -> None:
    recipe = replace(QUICK_DETECTION, image_size=64, epochs=1)
    context = toy_context(tmp_path / "work", recipe, train=blob_manifest(tmp_path / "images", blobs(4)))
    fill_disk_under(context.work_dir / "training.pth")
    with pytest.raises(StoreError, match=r"training\.pth: No space left on device - free some space or choose"):
        PROTOCOL.run(context)
    assert not list(context.work_dir.glob("training.pth*"))


@pytest.mark.parametrize("workers", [0, 1])
def test_pixels_are_the_same_with_and_without_workers(tmp_path: Path, workers: int) -> None:
    manifest = blob_manifest(tmp_path / "images", blobs(3))
    context = toy_context(tmp_path / "work", QUICK_DETECTION, train=manifest)
    context = replace(context, compute=replace(context.compute, workers=workers))
    pixels = SquashedPixels.prepare(manifest, "train", 32, context)
    assert len(pixels) == 3
    for index, row in enumerate(manifest.rows()):
        np.testing.assert_array_equal(pixels[index], cv2.resize(row.pixels(), (32, 32)))


def test_a_recipe_may_normalise_every_encoder_alike() -> None:
    own = Preprocess(resize=8, mode="squash", crop=8, mean=(0.2, 0.4, 0.6), std=(0.1, 0.2, 0.3))
    white = np.full((2, 2), 255, np.uint8)
    assert normalise(white, preprocess_of(TrainingRecipe(), own))[:, 0, 0].tolist() == pytest.approx([8, 3, 4 / 3])
    half = preprocess_of(TrainingRecipe(normalise="half"), own)
    assert normalise(white, half)[:, 0, 0].tolist() == [1, 1, 1]
