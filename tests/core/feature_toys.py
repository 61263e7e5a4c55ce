"""A model that tells an image's brightness, and features over it, for the tests of the cache."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from medbench.capabilities import Preprocess
from medbench.features import Features
from medbench.identity import ModelIdentity
from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.protocols import Compute
from medbench.samples import Sample

HOW = Preprocess(resize=8, mode="squash", crop=8, mean=(0,) * 3, std=(1,) * 3)  # whole numbers are one key with 0.0
IDENTITY = ModelIdentity(method="brightness", variant="plain", version=1, checkpoint=None, seed=0, code="")


class Brightness(torch.nn.Module):
    """Mean and maximum; counts the images that it is shown."""

    preprocess = HOW
    embed_dim = 2

    def __init__(self, *, fail_after: int = 10**9, poison: bool = False) -> None:
        super().__init__()
        self.seen = 0
        self.asked: list[str] = []
        self.fail_after = fail_after
        self.poison = poison

    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        self.seen += len(images)
        if self.seen > self.fail_after:
            raise KeyboardInterrupt
        flat = images.flatten(1)
        features = torch.stack([flat.mean(1), flat.amax(1)], dim=1)
        return features * float("nan") if self.poison else features

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        self.asked += texts
        return torch.tensor([[len(text), 1.0] for text in texts])


class Phases:
    def __init__(self) -> None:
        self.names: list[str] = []

    def phase(self, name: str, total: int | None = None) -> None:
        self.names.append(name)

    def advance(self, steps: int = 1, note: str = "") -> None: ...

    def track(self, items, name, total=None):
        return items


def draw(folder: Path, count: int) -> Manifest:
    samples = []
    for index in range(count):
        Image.fromarray(np.full((10, 10), index % 256, np.uint8)).save(folder / f"{index}.png")
        earlier = f"{index - 1}.png" if index else "0.png"
        samples.append(Sample(sample_id=f"s{index}", patient_id=f"p{index}", image=f"{index}.png", previous=earlier))
    facts = [ImageFacts(10, 10, "", "")] * count
    return Manifest("toy", folder, (), "0" * 64, True, build_table(samples, (), facts))


def features(model: torch.nn.Module | None, folder: Path, **identity: object) -> Features:
    def load() -> torch.nn.Module:
        assert model is not None, "the model was loaded"
        return model

    return Features(
        identity=dataclasses.replace(IDENTITY, **identity),
        load=load,
        folder=folder / "features",
        compute=Compute(),
        progress=Phases(),
    )
