"""An epoch of 1024-px PNGs: decoded anew, as the papers' loaders do, beside kept frames and the pixel store.

One process, one thread, CPU seconds, files in the page cache, in turns; each way gives the same array as the one that it is
measured against.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import v2

from medbench.capabilities import Preprocess
from medbench.datasets import DatasetFiles
from medbench.frame_store import Frames, kept_frames
from medbench.images import read_grey
from medbench.preparation import load, prepare
from medbench.preprocessing import padded, resized
from medbench.progress import Phases
from medbench.samples import RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec
from medbench_tasks.pixels import normalise

if TYPE_CHECKING:
    from medbench.manifest import Manifest, Picture

TARGET = 10.0
ROUNDS = 3
IMAGES = 80
SIDE = 1024
HALF = (0.5, 0.5, 0.5)
FRAME = Preprocess(resize=256, mode="pad", crop=224, interpolation="area", mean=HALF, std=HALF)
REAL = Path(__file__).resolve().parents[1] / "../shared/data/nih-chestxray14-sample/images"

_AS_THE_PAPERS = v2.Compose(
    [
        v2.CenterCrop(224),
        v2.PILToTensor(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(HALF, HALF),
    ]
)


class Way(NamedTuple):
    """One way to an image, what it is measured against (None: nothing), and its target."""

    title: str
    read: Callable[[int], NDArray[np.generic]]
    against: str | None = None
    target: float | None = None


class Comparison(NamedTuple):
    """Images per second of CPU time of each way, the best of the rounds."""

    ways: tuple[Way, ...]
    speeds: dict[str, float]
    images: str

    def ratio(self, way: Way) -> float:
        return self.speeds[way.title] / self.speeds[way.against or way.title]

    @property
    def met(self) -> bool:
        return all(way.target is None or self.ratio(way) >= way.target for way in self.ways)

    @property
    def rows(self) -> list[list[str]]:
        """For a table: what, images per CPU second, ratio, target."""
        told = [["of " + self.images, "", "", ""]]
        for way in self.ways:
            target = "" if way.target is None else f"at least {way.target:g}"
            told.append([way.title, f"{self.speeds[way.title]:,.0f}", f"{self.ratio(way):.1f}", target])
        return told


def compare(rounds: int = ROUNDS, images: int = IMAGES) -> Comparison:
    """Keep the images in both stores, look that all ways agree, then time an epoch of each in turns."""
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            root, said = _images(folder, images)
            manifest = _kept(root, folder / "cache")
            ways = _ways(manifest, _framed(manifest, folder / "cache"))
            _check_agreement(ways)
            return Comparison(ways, _speeds(ways, len(manifest), rounds), said)
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])


def read(root: Path) -> RawDataset:
    """A folder of PNGs as a dataset, for `DatasetSpec.reader`."""
    ids = sorted(path.name for path in root.glob("*.png"))
    samples = tuple(Sample(sample_id=one, patient_id=one, image=one) for one in ids)
    return RawDataset(samples=samples, splits={"all": {"train": ids, "valid": [], "test": []}})


def as_the_papers_load(path: Path) -> NDArray[np.float32]:
    """(3, 224, 224): read as grey, the longer side to 256 and padded, made RGB, cropped at the centre, normalised by 0.5."""
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    image = Image.fromarray(padded(grey, 256)).convert("RGB")
    loaded: NDArray[np.float32] = _AS_THE_PAPERS(image).numpy()
    return loaded


def _ways(manifest: Manifest, frames: Frames) -> tuple[Way, ...]:
    pictures = manifest.pictures()
    paths = [manifest.root / picture.path for picture in pictures]

    def stored(index: int) -> NDArray[np.uint8]:
        return np.array(manifest.read(pictures[index]))  # a copy: every byte is read

    loader = "decoded each time: imread, pad to 256, crop 224, normalise"
    decoder = f"decoded each time: {SIDE} px"
    return (
        Way(loader, lambda index: as_the_papers_load(paths[index])),
        Way("kept frames, normalised", lambda index: normalise(frames[index], FRAME).numpy(), loader, TARGET),
        Way(
            "pixel store, pad to 256, crop 224, normalise",
            lambda index: normalise(resized(manifest.read(pictures[index]), FRAME), FRAME).numpy(),
            loader,
        ),
        Way(decoder, lambda index: read_grey(paths[index])),
        Way(f"pixel store: {SIDE} px", stored, decoder, TARGET),
    )


def _speeds(ways: Sequence[Way], count: int, rounds: int) -> dict[str, float]:
    best = dict.fromkeys((way.title for way in ways), 0.0)
    for _ in range(rounds):
        for way in ways:
            started = time.process_time()
            for index in range(count):
                way.read(index)
            best[way.title] = max(best[way.title], count / (time.process_time() - started))
    return best


def _check_agreement(ways: Sequence[Way]) -> None:
    readers = {way.title: way.read for way in ways}
    for way in ways:
        if way.against is not None:
            np.testing.assert_allclose(
                way.read(0).astype(np.float32), readers[way.against](0).astype(np.float32), rtol=0, atol=1e-6
            )


def _images(folder: Path, count: int) -> tuple[Path, str]:
    """A folder of 1024-px grey PNGs, links to the real ones where they are here, and what they are."""
    root = folder / "images"
    root.mkdir()
    real = [path for path in sorted(REAL.glob("*.png")) if _is_plain(path)][:count]
    for path in real:
        (root / path.name).symlink_to(path.resolve())
    if real:
        return root, f"{len(real)} real {SIDE}-px PNGs (NIH ChestX-ray14)"
    numbers = np.random.default_rng(0)
    for index in range(count):
        coarse = numbers.normal(120, 60, (16, 16)).astype(np.float32)
        smooth = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        pixels = np.clip(smooth + numbers.normal(0, 1.5, smooth.shape), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"{index:04}.png")
    return root, f"{count} drawn {SIDE}-px PNGs (the real ones are not here)"


def _is_plain(path: Path) -> bool:
    with Image.open(path) as image:
        return image.mode == "L" and image.size == (SIDE, SIDE)


def _kept(root: Path, cache: Path) -> Manifest:
    spec = DatasetSpec(
        id="pngs",
        title="PNGs",
        modality="x-ray",
        access="open",
        licence="",
        url="",
        files=(ExpectedFile(path=".", purpose="the images", kind="folder"),),
        supervision=frozenset(),
        label_names=(),
        splits=(SplitSpec(name="all", rule="all of them", source="made here"),),
        reader="benchmarks.pixels:read",
    )
    base = cache / "manifests" / "pngs"
    files = DatasetFiles(
        spec,
        root,
        (),
        base.with_suffix(".json"),
        base.with_suffix(".parquet"),
        keeping="always",
        pixels=cache / "pixels",
    )
    return load(files, prepare(files, Phases()))


def _framed(manifest: Manifest, cache: Path) -> Frames:
    pictures: dict[str, Picture] = {picture.id: picture for picture in manifest.pictures()}
    frame = partial(resized, preprocess=FRAME)
    return kept_frames(
        [cache / "frames"],
        {"frame": "224"},
        list(pictures),
        lambda ids: (frame(manifest.read(pictures[one])) for one in ids),
    )
