"""Tiny encoders and drawn images that the tests of segmentation share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from trial_features import features_of, whole

from medbench.capabilities import Preprocess
from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.masks import encode_mask
from medbench.protocols import Compute, TrialContext
from medbench.samples import Sample
from medbench.specs import TaskSpec
from medbench_tasks.segmentation.recipe import METRICS, STANDARD_SEGMENTATION, SegmentationRecipe

SIDE = 64
PREPROCESS = Preprocess(resize=256, mode="pad", crop=224, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
TASK = TaskSpec(
    id="toy-seg",
    title="Toy",
    dataset="toy",
    split="image",
    protocol="segmentation",
    capabilities=frozenset({"DenseImageEncoder"}),
    metrics=METRICS,
    recipes={"standard": STANDARD_SEGMENTATION},
    loader="medbench_tasks.segmentation.protocol:PROTOCOL",
)


class ToyPyramid(nn.Module):
    """Five maps of strides 2..32, with BatchNorm, counting the images it encodes."""

    def __init__(self, strides: tuple[int, ...] = (2, 4, 8, 16, 32)) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.preprocess = PREPROCESS
        self.strides = strides
        self.channels = tuple(4 + 2 * index for index in range(len(strides)))
        self.encoded = 0
        steps = [strides[0], *(coarse // fine for fine, coarse in pairwise(strides))]
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, step + 1, stride=step, padding=step // 2), nn.BatchNorm2d(after))
            for before, after, step in zip((3, *self.channels), self.channels, steps, strict=False)
        )
        self._calibrate()

    def _calibrate(self) -> None:
        """Running statistics of noise like the images', so that every map has about unit scale."""
        for stage in self.stages:
            stage[1].momentum = None
        self.train().encode_pyramid(0.15 * torch.randn(8, 1, SIDE, SIDE).expand(-1, 3, -1, -1) - 0.4)
        self.encoded = 0
        self.eval()

    def encode_pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        self.encoded += len(images)
        maps = []
        for stage in self.stages:
            images = torch.relu(stage(images))
            maps.append(images)
        return tuple(maps)


class ToySingleMap(nn.Module):
    """One map, as a plain ViT gives."""

    def __init__(self, stride: int = 8, channels: int = 24) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.preprocess = PREPROCESS
        self.strides = (stride,)
        self.channels = (channels,)
        self.patches = nn.Conv2d(3, channels, stride, stride=stride)
        self.eval()

    def encode_pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        return (torch.tanh(self.patches(images)),)


class Silent:
    """A progress reporter that remembers its phases and the notes on losses; killed at the ``kill_at``-th of them."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.phases: list[str] = []
        self.losses: list[str] = []
        self._kill_at = kill_at

    def phase(self, name: str, total: int | None = None) -> None:
        self.phases.append(name)

    def advance(self, steps: int = 1, note: str = "") -> None:
        if "loss" in note:
            self.losses.append(note)
            if len(self.losses) == self._kill_at:
                raise KeyboardInterrupt

    def track(self, items: Iterable[Any], name: str, total: int | None = None) -> Iterator[Any]:
        self.phase(name, total)
        yield from items


def draw_manifest(
    folder: Path, count: int, seed: int, mask_of: Callable[[int], bool | None] = lambda index: index % 4 != 0
) -> Manifest:
    """Noisy images with a bright disc where ``mask_of(index)``; None leaves the mask out. Two images a patient."""
    generator = np.random.default_rng(seed)
    samples = []
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for index in range(count):
        has = mask_of(index)
        y, x = generator.integers(24, 41, 2)
        disc = ((rows - y) ** 2 + (columns - x) ** 2 < 100) & bool(has)
        pixels = np.clip(generator.normal(70, 12, (SIDE, SIDE)) + 140 * disc, 0, 255).astype(np.uint8)
        name = f"{seed}-{index}.png"
        Image.fromarray(pixels).save(folder / name)
        mask = None if has is None else encode_mask(disc)
        samples.append(Sample(sample_id=f"{seed}-{index}", patient_id=f"{seed}-p{index // 2}", image=name, mask=mask))
    facts = [ImageFacts(SIDE, SIDE, "0")] * count
    return Manifest("toy", folder, ("finding",), "0", True, build_table(samples, ["finding"], facts))


def context_of(
    folder: Path, model: nn.Module, recipe: SegmentationRecipe, parts: tuple[Manifest, Manifest, Manifest]
) -> TrialContext:
    """A trial on the CPU over three parts, with its own work folder inside ``folder``."""
    train, valid, test = parts
    compute, progress = Compute(), Silent()
    return TrialContext(
        task=TASK,
        recipe=recipe,
        features=features_of(model, folder / "features", compute, progress),
        dataset=whole(*parts),
        train=train,
        valid=valid,
        test=test,
        seed=recipe.seeds[0],
        compute=compute,
        work_dir=folder / "work",
        progress=progress,
    )
