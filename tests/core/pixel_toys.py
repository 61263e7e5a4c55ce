"""A dataset of a few drawn images, made of whatever samples a test wants, and the settings to prepare it under."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medbench import preparation
from medbench.cli import data
from medbench.datasets import DatasetFiles, ManifestInfo, locate
from medbench.manifest import Manifest
from medbench.progress import Reporter
from medbench.samples import RawDataset, Region, Sample
from medbench.settings import Settings
from medbench.specs import DatasetSpec, SplitSpec

READER = "medbench_drawn_reader"
SPEC = DatasetSpec(
    id="drawn",
    title="Drawn",
    modality="none",
    access="open",
    licence="CC0-1.0",
    url="https://example.org/drawn",
    files=(),
    supervision=frozenset(),
    label_names=(),
    splits=(SplitSpec(name="main", rule="all", source="none"),),
    reader=f"{READER}:read",
)


@dataclass
class Said(Reporter):
    """Keeps what it is told."""

    lines: list[str] = field(default_factory=list)

    def message(self, text: str) -> None:
        self.lines.append(text)


@dataclass
class Toy:
    """The dataset's root, its samples, and what preparing it said."""

    root: Path
    cache: Path
    samples: Sequence[Sample]
    said: list[str]
    colour: bool = False

    def files(self, **settings: Any) -> DatasetFiles:
        where = Settings(data_overrides={"drawn": self.root}, cache=self.cache)
        return locate(replace(SPEC, colour=self.colour), replace(where, **settings))

    def prepare(self, force: bool = False, **settings: Any) -> ManifestInfo:
        with self._reader():
            return preparation.prepare(self.files(**settings), Reporter(), force=force, say=self.said.append)

    def command(self, **settings: Any) -> ManifestInfo:
        """As ``medbench data prepare``: only what is not done."""
        with self._reader():
            return data.prepared(self.files(**settings), Said(self.said), force=False, allow_incomplete=False)

    @contextmanager
    def _reader(self) -> Iterator[None]:
        module = types.ModuleType(READER)
        module.read = lambda root: RawDataset(samples=tuple(self.samples), splits={})  # type: ignore[attr-defined]
        sys.modules[READER] = module
        try:
            yield
        finally:
            del sys.modules[READER]

    def load(self, **settings: Any) -> Manifest:
        files = self.files(**settings)
        info = files.info()
        assert info is not None
        return preparation.load(files, info)


def draw(path: Path, height: int, width: int, *, seed: int = 0, colour: bool = False) -> NDArray[np.uint8]:
    """Write a PNG of noise and give its pixels."""
    shape = (height, width, 3) if colour else (height, width)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def study(folder: Path) -> Toy:
    """Five files: a pair, a study of three, two regions of one figure, a name that is odd, and a sample of text alone."""
    root = folder / "raw"
    names = ("a.png", "b.png", "sub/c d.png", "e#1,1,2,2.png", "ü|\n.png")
    for number, name in enumerate(names):
        draw(root / name, 20 + number, 31, seed=number)
    samples = (
        Sample(sample_id="1", patient_id="p1", image="a.png", previous="b.png"),
        Sample(sample_id="2", patient_id="p2", image="sub/c d.png", others=("a.png", "e#1,1,2,2.png")),
        Sample(sample_id="3", patient_id="p3", image="b.png", region=Region(2, 3, 10, 7)),
        Sample(sample_id="4", patient_id="p3", image="b.png", region=Region(-5, 0, 10, 90)),
        Sample(sample_id="5", patient_id="p4", image="ü|\n.png"),
        Sample(sample_id="6", patient_id="p5", texts=("no image",)),
    )
    return Toy(root, folder / "cache", samples, [])
