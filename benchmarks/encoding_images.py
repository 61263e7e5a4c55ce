"""Pictures to encode: drawn, prepared as a dataset is, with or without the pixel store."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from medbench.datasets import DatasetFiles
from medbench.manifest import Manifest
from medbench.preparation import load, prepare
from medbench.progress import Phases
from medbench.samples import RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec

Source = Literal["JPEG 256", "PNG 1024", "PNG 1024, pixel store"]
SOURCES: tuple[Source, ...] = ("JPEG 256", "PNG 1024, pixel store")
_DRAWN = 16
"""Files that are drawn; the others are links to them, which are read and encoded like files of their own."""


def prepared(folder: Path, count: int, source: Source) -> Manifest:
    """``count`` grey pictures below ``folder``, prepared."""
    root = folder / "images"
    root.mkdir(parents=True)
    _draw(root, count, 256 if source == "JPEG 256" else 1024, "jpg" if source == "JPEG 256" else "png")
    base = folder / "cache" / "manifests" / "drawn"
    files = DatasetFiles(
        _spec(),
        root,
        (),
        base.with_suffix(".json"),
        base.with_suffix(".parquet"),
        keeping="always" if source.endswith("store") else "never",
        pixels=folder / "cache" / "pixels",
    )
    return load(files, prepare(files, Phases()))


def read(root: Path) -> RawDataset:
    """A folder of pictures as a dataset, for `DatasetSpec.reader`."""
    ids = sorted(path.name for path in root.iterdir())
    samples = tuple(Sample(sample_id=one, patient_id=one, image=one) for one in ids)
    return RawDataset(samples=samples, splits={"all": {"train": ids, "valid": [], "test": []}})


def _spec() -> DatasetSpec:
    return DatasetSpec(
        id="drawn",
        title="Drawn pictures",
        modality="x-ray",
        access="open",
        licence="",
        url="",
        files=(ExpectedFile(path=".", purpose="the images", kind="folder"),),
        supervision=frozenset(),
        label_names=(),
        splits=(SplitSpec(name="all", rule="all of them", source="made here"),),
        reader="benchmarks.encoding_images:read",
    )


def _draw(root: Path, count: int, side: int, suffix: str) -> None:
    generator = np.random.default_rng(0)
    for number in range(count):
        path = root / f"{number:05}.{suffix}"
        if number >= _DRAWN:
            path.symlink_to(root / f"{number % _DRAWN:05}.{suffix}")
            continue
        coarse = Image.fromarray(generator.integers(0, 256, (16, 16), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.float32)
        grain = generator.normal(0, 1.5, smooth.shape)
        Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(path, quality=90)
