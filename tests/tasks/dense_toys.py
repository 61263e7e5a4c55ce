"""A tiny encoder, drawn images with blobs to find, and a context, for tests of protocols that train over images."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch import nn
from trial_features import features_of

from medbench.capabilities import Preprocess
from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.protocols import Compute, TrialContext
from medbench.samples import Box, Sample
from medbench.specs import MetricSpec, TaskSpec
from medbench_tasks.recipes import DetectionRecipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from medbench_tasks.recipes import TrainingRecipe

SIDE = 64
HALF = (0.5, 0.5, 0.5)
TASK = TaskSpec(
    id="toy-det",
    title="Blobs",
    dataset="toy",
    split="toy",
    protocol="detection",
    capabilities=frozenset({"DenseImageEncoder"}),
    metrics=tuple(MetricSpec(name=name, title=name) for name in ("map", "ap50", "ap75", "map-as-released")),
    recipes={"standard": DetectionRecipe()},
    loader="medbench_tasks.detection.protocol:PROTOCOL",
)


class TinyEncoder(nn.Module):
    """Maps of strides 8, 16 and 32 whose channels keep means and bright spots; counts the images it encodes."""

    preprocess = Preprocess(resize=SIDE, mode="squash", crop=SIDE, mean=HALF, std=HALF)
    channels = (8, 8, 8)
    strides = (8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.stem = nn.Conv2d(3, 8, kernel_size=8, stride=8)
        self.norm = nn.BatchNorm2d(8)
        self.down = nn.ModuleList(nn.Conv2d(8, 8, kernel_size=2, stride=2) for _ in range(2))
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) / max(1, parameter[0].numel()) ** 0.5
        self.encoded = 0
        self.eval()

    def init_weights(self) -> None:
        """As timm's and transformers' models have it: nobody may call it on pretrained weights."""
        raise AssertionError("pretrained weights were initialised again")

    def encode_pyramid(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        self.encoded += len(images)
        maps = [torch.relu(self.norm(self.stem(images)))]
        for layer in self.down:
            maps.append(torch.relu(layer(maps[-1])))
        return tuple(maps)


class TinyPlainEncoder(TinyEncoder):
    """A single map of stride 16, like a plain ViT's."""

    channels = (8,)
    strides = (16,)

    def encode_pyramid(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return super().encode_pyramid(images)[1:2]


class Recorder:
    """A progress reporter that remembers what it was told."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int | None]] = []
        self.steps: dict[str, int] = {}

    def phase(self, name: str, total: int | None = None) -> None:
        self.phases.append((name, total))
        self.steps[name] = 0

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.steps[self.phases[-1][0]] += steps

    def track(self, items: Iterable[Any], name: str, total: int | None = None) -> Iterable[Any]:
        self.phase(name, total)
        for item in items:
            yield item
            self.advance()


def blob_manifest(
    folder: Path, boxes: Sequence[Sequence[Box] | None], *, height: int = 64, width: int = 96
) -> Manifest:
    """PNG files with a bright rectangle per box on dark noise, and their manifest; None = not annotated."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(len(boxes))
    samples = []
    for index, blobs in enumerate(boxes):
        pixels = draw.integers(0, 30, (height, width)).astype(np.uint8)
        for blob in blobs or ():
            rows, columns = slice(int(blob.y), int(blob.y + blob.height)), slice(int(blob.x), int(blob.x + blob.width))
            pixels[rows, columns] = 255
        cv2.imwrite(str(folder / f"{index}.png"), pixels)
        samples.append(
            Sample(
                sample_id=f"s{index}",
                patient_id=f"p{index // 2}",
                image=f"{index}.png",
                boxes=None if blobs is None else tuple(blobs),
            )
        )
    facts = [ImageFacts(height, width, "") for _ in samples]
    digest = hashlib.sha256(f"{folder} {boxes} {height} {width}".encode()).hexdigest()
    return Manifest("toy", folder, ("blob",), digest, True, build_table(samples, ("blob",), facts), ("blob",))


def blobs(count: int, seed: int = 0, *, empty_every: int = 4) -> list[list[Box]]:
    """A 36 x 24 box at a random place for each image, none in every ``empty_every``-th."""
    draw = np.random.default_rng(seed)
    return [
        []
        if index % empty_every == 0
        else [Box(0, float(draw.integers(0, 60)), float(draw.integers(0, 40)), 36.0, 24.0)]
        for index in range(count)
    ]


def toy_context(
    folder: Path,
    recipe: TrainingRecipe,
    *,
    train: Manifest,
    valid: Manifest | None = None,
    model: nn.Module | None = None,
    seed: int = 0,
    device: str = "cpu",
    precision: str = "fp32",
) -> TrialContext:
    """A context whose work folder is ``folder``; validation and test are the training images unless given."""
    compute, progress = Compute(device=device, precision=precision), Recorder()
    return TrialContext(
        task=TASK,
        recipe=recipe,
        features=features_of(model or TinyEncoder(), folder / "features", compute, progress),
        dataset=train,
        train=train,
        valid=valid or train,
        test=valid or train,
        seed=seed,
        compute=compute,
        work_dir=folder,
        progress=progress,
    )
