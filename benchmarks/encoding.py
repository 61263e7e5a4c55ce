"""The cached encoding pass, files to features, beside a bare forward loop over tensors that are already in memory.

Same model, batch, threads and precision; the two are timed in turns. The images are grey JPEGs of a size that a
preprocessed set has. A second table sets one pass and a cached probe beside a script that encodes in every epoch.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import timm
import torch
from PIL import Image

from medbench.capabilities import Preprocess
from medbench.features import BATCH, Features
from medbench.identity import ModelIdentity
from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.protocols import Compute
from medbench.samples import Sample

TARGET = 0.95
EPOCHS = 50
"""What the released linear probes train for."""
_SIDE = 256
_HALF = (0.5, 0.5, 0.5)
_PREPROCESS = Preprocess(resize=256, mode="pad", crop=224, mean=_HALF, std=_HALF)


class Comparison(NamedTuple):
    """Images per second of either side, the best of a few runs, and seconds of a probe over cached features."""

    model: str
    device: str
    precision: str
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

    @property
    def rows(self) -> list[list[str]]:
        """For a table: what, images per second, ratio, target."""
        setting = f"{self.model}, {self.device}, {self.precision}"
        return [
            [f"bare forward over tensors in memory ({setting})", f"{self.bare:.1f}", "1.00", ""],
            [
                f"medbench: decode {_SIDE}-px JPEG, preprocess, encode, keep",
                f"{self.encode:.1f}",
                f"{self.ratio:.3f}",
                f"at least {TARGET:g}",
            ],
            [f"cached features against encoding in each of {EPOCHS} epochs", "", f"{self.epochs_ratio:.1f} x less", ""],
        ]


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
    model: str = "vit_base_patch16_224", images: int = 96, repeats: int = 3, precision: str = "fp32"
) -> Comparison:
    """Time both on the GPU where there is one, else on the CPU."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder = _Encoder(model).eval().to(device)
    with tempfile.TemporaryDirectory() as name:
        manifest = _draw(Path(name), images)
        bare, encode, warm = [], [], []
        for number in range(repeats):
            bare.append(images / _bare_seconds(encoder, images, device, precision))
            features = _features(encoder, Path(name) / f"cache-{number}", device, precision)
            encode.append(images / _seconds(features, manifest))
            warm.append(_seconds(_features(encoder, Path(name) / f"cache-{number}", device, precision), manifest))
    return Comparison(model, device, precision, max(bare), max(encode), min(warm), images)


def _bare_seconds(encoder: _Encoder, images: int, device: str, precision: str) -> float:
    size = min(BATCH[device], images)
    batch = torch.randn(size, 3, 224, 224, device=device)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    with torch.inference_mode(), torch.autocast(device, dtype=dtype, enabled=dtype is not None):
        encoder.encode_images(batch)
        _wait(device)
        begin = time.perf_counter()
        for _ in range(images // size):
            encoder.encode_images(batch).float().cpu()
        _wait(device)
    return (time.perf_counter() - begin) * images / (images // size * size)


def _seconds(features: Features, manifest: Manifest) -> float:
    begin = time.perf_counter()
    features.encode(manifest)
    return time.perf_counter() - begin


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _features(encoder: _Encoder, folder: Path, device: str, precision: str) -> Features:
    identity = ModelIdentity(method="benchmark", variant="one", version=1, checkpoint=None, seed=0, code="")
    return Features(
        identity=identity,
        load=lambda: encoder,
        folder=folder,
        compute=Compute(device=device, precision=precision),
        progress=_Silent(),
    )


def _draw(folder: Path, count: int) -> Manifest:
    generator = np.random.default_rng(0)
    smooth = generator.integers(0, 256, (count, 16, 16), dtype=np.uint8)
    samples = []
    for index, pixels in enumerate(smooth):
        Image.fromarray(pixels).resize((_SIDE, _SIDE)).save(folder / f"{index}.jpg", quality=90)
        samples.append(Sample(sample_id=str(index), patient_id=str(index), image=f"{index}.jpg"))
    facts = [ImageFacts(_SIDE, _SIDE, "")] * count
    return Manifest("benchmark", folder, (), "0" * 64, True, build_table(samples, (), facts))
