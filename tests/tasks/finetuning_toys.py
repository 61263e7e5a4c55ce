"""A tiny encoder, drawn images with labels, and a context, for the tests of fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from dense_toys import Recorder
from torch import Tensor, nn
from trial_features import features_of, whole

from medbench.capabilities import Preprocess
from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.protocols import Compute, TrialContext
from medbench.samples import UNKNOWN, Sample
from medbench.specs import Recipe, Target, TaskSpec
from medbench_tasks.classification.metrics_catalogue import metrics_named
from medbench_tasks.finetuning.recipe import FineTuningRecipe

SIDE = 16
HALF = (0.5, 0.5, 0.5)
TOY = FineTuningRecipe(epochs=3, batch_size=8, lr=0.02, encoder_lr=0.1, weight_decay=0.0, patience=20, source_scale=1.0)
CONSTANT = {"freeze_encoder": True, "augment": "none"}


class TinyImageEncoder(nn.Module):
    """One convolution with BatchNorm, pooled; counts the images that it encodes."""

    embed_dim = 6
    preprocess = Preprocess(resize=18, mode="pad", crop=SIDE, mean=HALF, std=HALF)

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.conv = nn.Conv2d(3, self.embed_dim, kernel_size=4, stride=4)
        self.norm = nn.BatchNorm2d(self.embed_dim)
        for parameter in self.conv.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) / 7
        self.encoded = 0
        self.eval()

    def init_weights(self) -> None:
        """As other libraries' models have it: nobody may call it on pretrained weights."""
        raise AssertionError("pretrained weights were drawn again")

    def encode_images(self, images: Tensor) -> Tensor:
        self.encoded += len(images)
        return torch.relu(self.norm(self.conv(images))).mean((2, 3))


class GrownEncoder(TinyImageEncoder):
    """An encoder that is fine-tuned with one more layer, drawn from the seed."""

    def fine_tuning_encoder(self, seed: int) -> TinyImageEncoder:
        return TinyImageEncoder(seed=100 + seed)


def labelled_images(folder: Path, labels: Sequence[Sequence[int]], names: Sequence[str], *, seed: int = 0) -> Manifest:
    """A PNG a row of ``labels`` (1, 0, or -1 for unknown): label k lights up the k-th third of the image."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    samples = []
    for index, row in enumerate(labels):
        pixels = draw.integers(0, 60, (20, 18)).astype(np.uint8)
        for column, label in enumerate(row):
            if label == 1:
                pixels[6 * column + 1 : 6 * column + 6, 3:15] = 230
        name = f"{seed}-{index}"
        cv2.imwrite(str(folder / f"{name}.png"), pixels)
        known = {key: value for key, value in zip(names, row, strict=True) if value != UNKNOWN}
        samples.append(Sample(sample_id=name, patient_id=name, image=f"{name}.png", labels=known))
    facts = [ImageFacts(20, 18, "") for _ in samples]
    return Manifest("toy", folder, tuple(names), f"{seed:064d}", True, build_table(samples, tuple(names), facts))


def random_labels(count: int, width: int, seed: int = 0) -> list[list[int]]:
    """Rows of 0 and 1, both of them in every column."""
    rows = np.random.default_rng(seed).integers(0, 2, (count, width))
    rows[0], rows[1] = 0, 1
    return rows.tolist()


def context_of(
    folder: Path,
    recipe: Recipe = TOY,
    *,
    target: Target | None = None,
    model: Any = None,
    train: Manifest | None = None,
    valid: Manifest | None = None,
    names: Sequence[str] = ("top", "middle"),
    seed: int = 3,
    precision: str = "fp32",
    workers: int = 0,
) -> TrialContext:
    """A context whose work folder is ``folder / "work"``, with 24 / 12 / 12 images unless manifests are given."""
    compute, progress = Compute(precision=precision, workers=workers), Recorder()
    work = folder / "work"
    work.mkdir(parents=True, exist_ok=True)

    def drawn(count: int, part: int) -> Manifest:
        return labelled_images(folder / f"part{part}", random_labels(count, len(names), part), names, seed=part)

    parts = [train or drawn(24, 1), valid or drawn(12, 2), drawn(12, 4)]
    presets = {"standard": recipe} if isinstance(recipe, FineTuningRecipe) else {"standard": TOY}
    return TrialContext(
        task=TaskSpec(
            id="toy-ft",
            title="Toy",
            dataset="toy",
            split="patient",
            protocol="fine-tuning",
            capabilities=frozenset({"ImageEncoder"}),
            metrics=metrics_named("auroc", "f1", "accuracy"),
            recipes=presets,
            loader="medbench_tasks.finetuning.protocol:PROTOCOL",
            target=target,
        ),
        recipe=recipe,
        features=features_of(model or TinyImageEncoder(), folder / "cache", compute, progress),
        dataset=whole(*parts),
        train=parts[0],
        valid=parts[1],
        test=parts[2],
        seed=seed,
        compute=compute,
        work_dir=work,
        progress=progress,
    )
