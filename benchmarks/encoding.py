"""The cached encoding pass, files to features, beside a bare forward loop over tensors that are already in memory.

Same model, threads and precision; on the CPU the same batch too, on a GPU the pass finds its own. The two are timed in turns.
Sources are small JPEGs, and large PNGs out of the pixel store. A last row sets one pass and a cached probe beside a script
that encodes in every epoch. ``python -m benchmarks.encoding --precision bf16`` for another precision.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
from tabulate import tabulate

from benchmarks.encoding_images import SOURCES, Source, prepared
from medbench.batch_size import BATCH
from medbench.capabilities import Preprocess
from medbench.features import Features
from medbench.forward import frozen_call
from medbench.identity import ModelIdentity
from medbench.manifest import Manifest
from medbench.protocols import Compute

TARGET = 0.95
GPU_TARGET = 0.90
EPOCHS = 50
"""What the released linear probes train for."""
MODELS = ("vit_base_patch16_224", "resnet50")
IMAGES = {"cpu": 64, "cuda": 2048}
_BARE_BATCH = {"cpu": BATCH["cpu"], "cuda": 256}
_HALF = (0.5, 0.5, 0.5)
_PREPROCESS = Preprocess(resize=256, mode="pad", crop=224, mean=_HALF, std=_HALF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Images per second of either side, the best of a few turns, and seconds of a probe over cached features."""

    model: str
    source: Source
    bare: float
    encode: float
    warm_s: float
    images: int

    @property
    def ratio(self) -> float:
        return self.encode / self.bare

    @property
    def epochs_ratio(self) -> float:
        """One pass and reading it back, against a pass in every epoch."""
        once = self.images / self.encode + self.warm_s
        return EPOCHS * self.images / self.encode / once


class Comparisons(NamedTuple):
    """Every model on every source."""

    found: tuple[Comparison, ...]
    compute: Compute

    @property
    def target(self) -> float:
        return GPU_TARGET if self.compute.device == "cuda" else TARGET

    @property
    def ratio(self) -> float:
        """The least of them."""
        return min(one.ratio for one in self.found)

    @property
    def met(self) -> bool:
        return self.ratio >= self.target

    @property
    def rows(self) -> list[list[str]]:
        """For a table: what, images per second, ratio, target."""
        rows = []
        for one in self.found:
            setting = f"{one.model}, {self.compute.device}, {self.compute.precision}"
            rows += [
                [f"bare forward over tensors in memory ({setting})", f"{one.bare:.1f}", "1.00", ""],
                [
                    f"medbench: read {one.source}, preprocess, encode, keep",
                    f"{one.encode:.1f}",
                    f"{one.ratio:.3f}",
                    f"at least {self.target:g}",
                ],
            ]
        once = self.found[0].epochs_ratio
        return [*rows, [f"cached features against encoding in each of {EPOCHS} epochs", "", f"{once:.1f} x less", ""]]


class _Encoder(torch.nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.net = timm.create_model(name, num_classes=0)
        self.preprocess = _PREPROCESS
        self.embed_dim = self.net.num_features

    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.net(images)
        return features


class _Silent:
    def phase(self, name: str, total: int | None = None) -> None: ...

    def advance(self, steps: int = 1, note: str = "") -> None: ...

    def track(self, items: Any, name: str, total: int | None = None) -> Any:
        return items


def compare(
    models: Sequence[str] = MODELS,
    sources: Sequence[Source] = SOURCES,
    *,
    images: int | None = None,
    repeats: int = 3,
    precision: str = "fp32",
) -> Comparisons:
    """Time both on the GPU where there is one, else on the CPU."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    compute = Compute(device=device, precision=precision)
    found = []
    with tempfile.TemporaryDirectory() as name:
        manifests = {one: prepared(Path(name) / str(i), images or IMAGES[device], one) for i, one in enumerate(sources)}
        for model in models:
            encoder = _Encoder(model).eval().to(device)
            for source, manifest in manifests.items():
                with tempfile.TemporaryDirectory() as cache:
                    found.append(_compared(encoder, model, source, manifest, Path(cache), compute, repeats))
    return Comparisons(tuple(found), compute)


def _compared(
    encoder: _Encoder, model: str, source: Source, manifest: Manifest, cache: Path, compute: Compute, repeats: int
) -> Comparison:
    bare, encode, warm = [], [], []
    for number in range(repeats):
        bare.append(_bare_speed(encoder, len(manifest), compute))
        encode.append(len(manifest) / _seconds(_features(encoder, cache / str(number), compute), manifest))
        warm.append(_seconds(_features(encoder, cache / str(number), compute), manifest))
    return Comparison(
        model=model, source=source, bare=max(bare), encode=max(encode), warm_s=min(warm), images=len(manifest)
    )


def _bare_speed(encoder: _Encoder, images: int, compute: Compute) -> float:
    size = min(_BARE_BATCH[compute.device], images)
    batch = torch.randn(size, 3, 224, 224, device=compute.device)

    def forward() -> None:
        frozen_call(lambda: encoder.encode_images(batch), size, compute, label="benchmark")

    forward()
    begin = time.perf_counter()
    for _ in range(images // size):
        forward()
    return images // size * size / (time.perf_counter() - begin)


def _seconds(features: Features, manifest: Manifest) -> float:
    begin = time.perf_counter()
    features.encode(manifest)
    return time.perf_counter() - begin


def _features(encoder: _Encoder, folder: Path, compute: Compute) -> Features:
    identity = ModelIdentity(method="benchmark", variant="one", version=1, checkpoint=None, seed=0, code="")
    return Features(identity=identity, load=lambda: encoder, folder=folder, compute=compute, progress=_Silent())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16", "fp16"])
    parser.add_argument("--images", type=int)
    parser.add_argument("--models", nargs="*", default=MODELS)
    chosen = parser.parse_args()
    found = compare(chosen.models, images=chosen.images, precision=chosen.precision)
    print(tabulate(found.rows, headers=["encoding", "images / s", "ratio", "target"], disable_numparse=True))
    return int(not found.met)


if __name__ == "__main__":
    sys.exit(main())
