"""Drawn studies of two views whose reports say what is drawn, tiny writers and encoders, and a context."""

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
from medbench.samples import Sample
from medbench.specs import TaskSpec
from medbench_tasks.generation.recipe import METRICS, GenerationRecipe

SIDE = 16
HALF = (0.5, 0.5, 0.5)
TOY = GenerationRecipe(
    epochs=25,
    batch_size=8,
    lr=5e-3,
    weight_decay=0.0,
    patience=25,
    validate_every=5,
    max_length=20,
    grid=4,
    layers=1,
    width=32,
    heads=2,
    dropout=0.0,
    vocabulary=400,
    label_smoothing=0.0,
    labeller="none",
)
TASK = TaskSpec(
    id="toy-gen",
    title="Toy",
    dataset="toy",
    split="toy",
    protocol="generation",
    capabilities=frozenset({"ReportGenerator"}),
    alternatives=(frozenset({"DenseImageEncoder"}),),
    metrics=tuple(metric for metric in METRICS if metric.name != "meteor"),  # Java takes seconds to start
    recipes={"standard": TOY},
    loader="medbench_tasks.generation.protocol:PROTOCOL",
)


class TinyMaps(nn.Module):
    """Mean brightness over 4 x 4 pixels, in four channels of which one knows; counts the images that it encodes."""

    preprocess = Preprocess(resize=SIDE, mode="squash", crop=SIDE, mean=HALF, std=HALF)
    channels = (4,)
    strides = (4,)
    embed_dim = 16

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -0.5, 0.2, 0.0]))
        self.encoded = 0
        self.eval()

    def encode_pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        self.encoded += len(images)
        brightness = nn.functional.avg_pool2d(images.mean(1, keepdim=True), 4)
        return (brightness * self.weight[None, :, None, None],)

    def encode_images(self, images: Tensor) -> Tensor:
        return self.encode_pyramid(images)[-1][:, 0].flatten(1)


class TinyWriter(nn.Module):
    """A report generator that says how bright each of its views is, and remembers how it was asked."""

    preprocess = TinyMaps.preprocess

    def __init__(self, views: int = 2) -> None:
        super().__init__()
        self.views = views
        self.bright = nn.Parameter(torch.zeros(views))
        self.asked: list[tuple[int, ...]] = []
        self.lengths: set[tuple[int, int, int]] = set()
        self.eval()

    def generate(self, images: Tensor, *, beams: int, min_length: int, max_length: int) -> list[str]:
        self.asked.append(tuple(images.shape))
        self.lengths.add((beams, min_length, max_length))
        means = images.mean((2, 3, 4)) + self.bright
        return [" ".join(f"view {value:.3f}" for value in row) for row in means.tolist()]


class LearningWriter(TinyWriter):
    """One that can be fine-tuned: its net learns by how much to be brighter, which is 1 for every report of ``target``."""

    def report_net(self, views: int, seed: int) -> LearningWriter:
        net = LearningWriter(views)
        net.seed = seed  # type: ignore[assignment]
        net.trained_on = []  # type: ignore[assignment]
        return net

    def report_loss(self, images: Tensor, reports: list[str]) -> Tensor:
        self.trained_on.append((images.detach().clone(), reports))  # type: ignore[operator, union-attr]
        return ((self.bright - 1) ** 2).sum() + 0 * images.sum()


def studies(
    folder: Path,
    count: int,
    *,
    seed: int = 0,
    reports: Sequence[str] | None = None,
    single: Sequence[int] = (),
    details: Sequence[dict[str, str]] | None = None,
) -> Manifest:
    """Studies of a frontal view with two facts and a lateral with one; those in ``single`` have no lateral."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    samples = []
    for index in range(count):
        facts = draw.integers(0, 2, 3)
        names = [f"{seed}-{index}-{view}.png" for view in range(2)]
        for name, shown in zip(names, (facts[:2], facts[2:]), strict=True):
            pixels = draw.integers(0, 30, (SIDE, SIDE)).astype(np.uint8)
            for row, fact in enumerate(shown):
                pixels[8 * row + 1 : 8 * row + 7, 2:14] += np.uint8(200 * fact)
            cv2.imwrite(str(folder / name), pixels)
        samples.append(
            Sample(
                sample_id=f"{seed}-{index}",
                patient_id=f"{seed}-{index}",
                image=names[0],
                others=() if index in single else tuple(names[1:]),
                texts=(reports[index] if reports is not None else said_of(facts),),
                attributes={"sex": "FM"[index % 2], "age": str(30 + 20 * (index % 3)), "view": "PA"},
                details=details[index] if details is not None else {},
            )
        )
    facts_of = [ImageFacts(SIDE, SIDE, "") for _ in samples]
    return Manifest("toy", folder, (), f"{seed:064d}", True, build_table(samples, (), facts_of))


def said_of(facts: Sequence[int]) -> str:
    """The report of what is drawn."""
    heart = ("The heart is normal.", "Heart is enlarged.")[facts[0]]
    lungs = ("Lungs are clear.", "There is an opacity in the lung.")[facts[1]]
    return f"{heart} {lungs} {('No effusion.', 'Effusion on the left.')[facts[2]]}"


def context_of(
    folder: Path,
    recipe: GenerationRecipe = TOY,
    *,
    model: Any = None,
    train: Manifest | None = None,
    valid: Manifest | None = None,
    test: Manifest | None = None,
    seed: int = 3,
) -> TrialContext:
    """A context whose work folder is ``folder / "work"``, with 48 / 8 / 16 studies unless manifests are given."""
    compute, progress = Compute(), Recorder()
    work = folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    parts = [
        train or studies(folder / "train", 48, seed=1),
        valid or studies(folder / "valid", 8, seed=2),
        test or studies(folder / "test", 16, seed=4),
    ]
    return TrialContext(
        task=TASK,
        recipe=recipe,
        features=features_of(model or TinyMaps(), folder / "cache", compute, progress),
        dataset=whole(*parts),
        train=parts[0],
        valid=parts[1],
        test=parts[2],
        seed=seed,
        compute=compute,
        work_dir=work,
        progress=progress,
    )
