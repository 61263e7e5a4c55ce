"""Drawn images with a bright spot, and tiny models that are asked in words, for the tests of zero-shot and grounding."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from trial_features import features_of, whole

from medbench.capabilities import Preprocess
from medbench.errors import UsageError
from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.protocols import Compute, TrialContext
from medbench.samples import Box, Sample
from medbench.specs import Recipe, TaskSpec

SIDE = 64
SPOT = 16
PREPROCESS = Preprocess(resize=32, mode="squash", crop=32, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


class Silent:
    """Progress that nobody watches."""

    def phase(self, name: str, total: int | None = None) -> None: ...

    def advance(self, steps: int = 1, note: str = "") -> None: ...

    def track(self, items: Iterable[Any], name: str, total: int | None = None) -> Iterable[Any]:
        return items


class Reader(nn.Module):
    """An image encoder and a text encoder that agree on brightness; counts the images that it sees."""

    preprocess = PREPROCESS
    embed_dim = 2
    joint_dim = 2

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def encode_images(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return torch.stack([images.mean(dim=(1, 2, 3)), torch.ones(len(images))], dim=1)

    def project_images(self, features: Tensor) -> Tensor:
        return torch.stack([features[:, 0] - 0.3, 0.1 * features[:, 1]], dim=1)

    def encode_texts(self, texts: list[str]) -> Tensor:
        return torch.tensor([[_tone(text), 0.5] for text in texts])


class Asked(nn.Module):
    """A query classifier that knows ``bright`` and ``dark``, and shows where."""

    preprocess = PREPROCESS

    def classify(self, images: Tensor, findings: list[str]) -> Tensor:
        mean = torch.sigmoid(20 * (images.mean(dim=(1, 2, 3)) - 0.3))
        return torch.stack([mean if _known(finding) == "bright" else 1 - mean for finding in findings], dim=1)

    def ground(self, images: Tensor, findings: list[str]) -> Tensor:
        maps = nn.functional.avg_pool2d(images[:, :1], 8) ** 4 + 1e-6
        assert _known(findings[0]) == "bright"
        return maps / maps.sum(dim=(2, 3), keepdim=True)


class Both(Reader, Asked):
    """All of it."""


def manifest_of(
    folder: Path,
    answers: list[int],
    *,
    labels: tuple[str, ...] = ("Bright",),
    size: tuple[int, int] = (SIDE, SIDE),
    prefix: str = "s",
) -> Manifest:
    """A sample for each of ``answers``: 1 shows a bright spot with its box, 0 is dark, negative has no label at all.

    With two labels the second is the opposite of the first. Two samples share a patient.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(len(answers))
    samples = []
    for index, answer in enumerate(answers):
        pixels = generator.integers(20, 60, size).astype(np.uint8)
        box = spot(index, size)
        if answer == 1:
            pixels += np.uint8(90)
            pixels[int(box.y) : int(box.y + box.height), int(box.x) : int(box.x + box.width)] = 255
        name = f"{prefix}{index}.png"
        Image.fromarray(pixels).save(folder / name)
        values = (
            {} if answer < 0 else {label: answer if place == 0 else 1 - answer for place, label in enumerate(labels)}
        )
        samples.append(
            Sample(
                sample_id=f"{prefix}{index}",
                patient_id=f"{prefix}p{index // 2}",
                image=name,
                labels=values,
                boxes=(box,) if answer == 1 else (),
            )
        )
    facts = [ImageFacts(*size, "0")] * len(samples)
    return Manifest("toy", folder, labels, prefix, True, build_table(samples, labels, facts), ("Spot",))


def spot(index: int, size: tuple[int, int] = (SIDE, SIDE)) -> Box:
    """The box of sample ``index``: a sixteenth of the image, on the grid."""
    height, width = size[0] // 4, size[1] // 4
    return Box(0, float(index % 4 * width), float(index // 4 % 4 * height), float(width), float(height))


def context_of(
    folder: Path, model: nn.Module, task: TaskSpec, recipe: Recipe, parts: tuple[Manifest, Manifest, Manifest]
) -> TrialContext:
    """A trial on the CPU over three parts, its cache inside ``folder``."""
    train, valid, test = parts
    return TrialContext(
        task=task,
        recipe=recipe,
        features=features_of(model, folder / "cache", Compute(), Silent()),
        dataset=whole(*parts),
        train=train,
        valid=valid,
        test=test,
        seed=0,
        compute=Compute(),
        work_dir=folder / "work",
        progress=Silent(),
    )


def _tone(text: str) -> float:
    """Whether a text speaks of brightness or of its absence."""
    tone = -1.0 if "dark" in text.lower() else 1.0
    return -tone if "no " in text.lower() else tone


def _known(finding: str) -> str:
    if finding not in {"bright", "dark"}:
        raise UsageError(f"unknown finding '{finding}'", fix="known: bright, dark")
    return finding
