"""A whole plugin in one file - a dataset, a method, a task - small enough that the core's tests run in seconds."""

from __future__ import annotations

import csv
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medbench.errors import MissingDataError
from medbench.hookspecs import hookimpl
from medbench.samples import PhantomSize, Problem, RawDataset, Sample
from medbench.specs import (
    CheckpointSource,
    DatasetSpec,
    ExpectedFile,
    MethodSpec,
    MethodVariant,
    MetricSpec,
    Recipe,
    SplitSpec,
    TaskSpec,
)


@dataclass(frozen=True, kw_only=True)
class ToyRecipe(Recipe):
    """A threshold on mean brightness, between the classes' means or not."""

    weight: float = 0.5
    steps: int = 3
    betas: tuple[float, float] = (0.9, 0.99)
    flip: bool = False
    colour: Literal["green", "red"] = "red"
    clip: float | None = None


DATASET = DatasetSpec(
    id="toy",
    title="Bright and dark squares",
    modality="none",
    access="open",
    licence="CC0-1.0",
    url="https://example.org/toy",
    files=(
        ExpectedFile(path="labels.csv", purpose="labels"),
        ExpectedFile(path="images", purpose="images", kind="folder"),
    ),
    supervision=frozenset({"labels"}),
    label_names=("bright",),
    splits=(SplitSpec(name="main", rule="row number modulo 3", source="none", sizes={"train": 4}),),
    reader="medbench_toy:read",
    phantom="medbench_toy:write_phantom",
    tags=("tiny",),
)
METHOD = MethodSpec(
    id="toy",
    title="Mean brightness",
    summary="Answers with the mean.",
    licence="CC0-1.0",
    pretrained_on=(),
    tags=("tiny",),
    loader="medbench_toy:load",
    variants=(
        MethodVariant(id="plain", title="no weights", checkpoint=None, capabilities=frozenset({"ImageEncoder"})),
        MethodVariant(
            id="weighted",
            title="one weight",
            checkpoint=CheckpointSource(filename="toy/weighted.safetensors", url="https://example.org/w"),
            capabilities=frozenset({"ImageEncoder"}),
        ),
        MethodVariant(id="mute", title="does nothing", checkpoint=None, capabilities=frozenset()),
    ),
)
TASK = TaskSpec(
    id="toy-bright",
    title="Is it bright?",
    dataset="toy",
    split="main",
    protocol="linear probe",
    capabilities=frozenset({"ImageEncoder"}),
    metrics=(MetricSpec(name="accuracy", title="accuracy"),),
    recipes={
        "standard": ToyRecipe(fraction_overrides=((0.5, (("steps", 1), ("seeds", (7,)))),)),
        "published": ToyRecipe(weight=0.4, seeds=(42,)),
    },
    loader="medbench_toy:PROTOCOL",
    tags=("tiny",),
)


@hookimpl
def medbench_methods() -> list[MethodSpec]:
    return [METHOD]


@hookimpl
def medbench_datasets() -> list[DatasetSpec]:
    return [DATASET]


@hookimpl
def medbench_tasks() -> list[TaskSpec]:
    return [TASK]


def read(root: Path) -> RawDataset:
    """Samples of ``labels.csv`` (name, patient, bright); a label that is no 0 or 1 is a problem."""
    samples, problems = [], []
    splits: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    with (root / "labels.csv").open() as file:
        rows = csv.DictReader(file)
        if rows.fieldnames is None or "bright" not in rows.fieldnames:
            raise MissingDataError("toy: labels.csv has no column 'bright'", fix="download it again")
        for number, row in enumerate(rows):
            if row["bright"] not in {"0", "1"}:
                problems.append(Problem("bad-row", f"labels.csv row {number + 2}", f"bright is {row['bright']!r}"))
                continue
            name = row["name"]
            labels = {"bright": int(row["bright"])}
            samples.append(Sample(sample_id=name, patient_id=row["patient"], image=f"images/{name}.png", labels=labels))
            splits[("train", "valid", "test")[number % 3]].append(name)
    return RawDataset(samples=tuple(samples), splits={"main": splits}, problems=tuple(problems))


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Squares of noise around a bright or a dark level."""
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(size.seed)
    (root / "images").mkdir(parents=True, exist_ok=True)
    lines = ["name,patient,bright"]
    for number in range(size.images):
        bright = int(generator.integers(2))
        pixels = generator.normal(170 if bright else 80, 20, (16, 16)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"t{number:03}.png")
        lines.append(f"t{number:03},p{number // 2:03},{bright}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")


def load(request: Any) -> Any:
    """A module whose feature is the mean brightness times a weight."""
    import torch

    from medbench.capabilities import Preprocess
    from medbench.checkpoints import read_checkpoint

    class Mean(torch.nn.Module):
        preprocess = Preprocess(resize=16, mode="squash", crop=16, mean=(0, 0, 0), std=(1, 1, 1))
        embed_dim = 1

        def __init__(self, weight: float) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor(weight))

        def encode_images(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((1, 2, 3))[:, None] * self.weight

    if request.checkpoint is None:
        return Mean(1.0).eval()
    return Mean(float(read_checkpoint(request.checkpoint).tensors["weight"])).eval()


class ToyProtocol:
    """Learns a threshold from the training images' brightness."""

    def run(self, context: Any) -> Any:
        import pyarrow as pa

        from medbench.protocols import TrialOutcome

        if os.environ.get("TOY_RAISE") == context.model.__class__.__name__:
            raise RuntimeError("the toy was told to raise")
        marker = os.environ.get("TOY_STOP_AT")
        for _ in context.progress.track(range(context.recipe.steps), "train", context.recipe.steps):
            if marker:
                Path(marker).write_text("training")
                time.sleep(60)
        means = {}
        for part in (context.train, context.test):
            for row in part.rows():
                means[row.sample_id] = float(row.pixels().mean()) / 255 * context.model.weight.item()
        bright = [means[row.sample_id] for row in context.train.rows() if row.labels[0] == 1]
        dark = [means[row.sample_id] for row in context.train.rows() if row.labels[0] == 0]
        low, high = min(dark or bright), max(bright or dark)
        threshold = low + context.recipe.weight * (high - low)
        truth = [row.labels[0] for row in context.test.rows()]

        def table(answers: list[int]) -> pa.Table:
            ids, patients = context.test.sample_ids, context.test.patient_ids
            return pa.table({"sample_id": ids, "patient_id": patients, "answer": answers, "truth": truth})

        if os.environ.get("TOY_TWICE"):
            twice = table([1] * len(truth))
            return TrialOutcome(predictions=pa.concat_tables([twice, twice]))
        answers = [int(means[name] > threshold) for name in context.test.sample_ids]
        return TrialOutcome(predictions=table(answers), floors={"always bright": table([1] * len(truth))})

    def score(self, task: Any, recipe: Any, predictions: Any) -> Any:
        import numpy as np

        from medbench.records import MetricValue
        from medbench.statistics import bootstrap_mean

        right = np.equal(predictions.column("answer").to_numpy(), predictions.column("truth").to_numpy()).astype(float)
        interval = bootstrap_mean(right, predictions.column("patient_id").to_pylist())
        bounds = (None, None) if interval is None else (interval.low, interval.high)
        return {"accuracy": MetricValue(float(right.mean()), *bounds, n=len(right))}


PROTOCOL = ToyProtocol()
