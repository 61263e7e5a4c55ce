"""Pixels of a trial: written whole or not at all, a full disk told in one line, the same with any number of workers."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from dense_toys import blob_manifest, blobs, toy_context

from medbench.capabilities import Preprocess
from medbench.errors import StoreError
from medbench_tasks.detection.protocol import PROTOCOL
from medbench_tasks.pixels import SquashedPixels, normalise, preprocess_of
from medbench_tasks.recipes import QUICK_DETECTION, TrainingRecipe

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full to stand for a full disk")


def fill_disk_for(stem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of that stem are written to a disk that takes nothing."""
    mkstemp = tempfile.mkstemp

    def to_full(**names: Any) -> tuple[int, str]:
        handle, name = mkstemp(**names)
        if stem in names["prefix"]:
            Path(name).unlink()
            Path(name).symlink_to(FULL)
        return handle, name

    monkeypatch.setattr(tempfile, "mkstemp", to_full)


@needs_full
def test_a_full_disk_under_the_pixels_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = blob_manifest(tmp_path / "images", blobs(4))
    context = toy_context(tmp_path / "work", QUICK_DETECTION, train=manifest)
    fill_disk_for("000001-", monkeypatch)
    with pytest.raises(StoreError, match=r"\.safetensors: No space left on device - free some space or choose"):
        SquashedPixels.prepare(manifest, "train", 64, context)
    assert not [*tmp_path.rglob("*.safetensors")]


@needs_full
def test_a_full_disk_under_the_training_state_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(QUICK_DETECTION, image_size=64, epochs=1)
    context = toy_context(tmp_path / "work", recipe, train=blob_manifest(tmp_path / "images", blobs(4)))
    fill_disk_for("training", monkeypatch)
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
