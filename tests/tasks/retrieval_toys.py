"""Small images, captions and models for the tests of retrieval."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from trial_features import features_of

from medbench.capabilities import Preprocess
from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.protocols import Compute, TrialContext
from medbench.samples import Region, Sample
from medbench.specs import TaskSpec
from medbench_tasks.retrieval.recipe import METRICS, STANDARD_RETRIEVAL, RetrievalRecipe
from medbench_tasks.retrieval.relevance import Relevance

PREPROCESS = Preprocess(resize=4, mode="squash", crop=4, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
NAMES = [metric.name for metric in METRICS]
TASK = TaskSpec(
    id="toy-retrieval",
    title="Toy",
    dataset="toy",
    split="all",
    protocol="retrieval",
    capabilities=frozenset({"ImageEncoder", "TextEncoder"}),
    metrics=METRICS,
    recipes={"standard": STANDARD_RETRIEVAL},
    loader="medbench_tasks.retrieval.protocol:PROTOCOL",
    parts=("test",),
    trains=False,
)


class Watched:
    """Progress that keeps its phases."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int | None]] = []
        self.done = 0

    def phase(self, name: str, total: int | None = None) -> None:
        self.phases.append((name, total))
        self.done = 0

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.done += steps

    def track(self, items: Iterable[Any], name: str, total: int | None = None) -> Iterable[Any]:
        return items


class Reader(nn.Module):
    """Sees the brightness of an image and reads the number in a text's first word; near numbers are near in angle."""

    preprocess = PREPROCESS
    embed_dim = 1
    joint_dim = 2

    def encode_images(self, images: Tensor) -> Tensor:
        return images.mean(dim=(1, 2, 3))[:, None] * 255

    def project_images(self, features: Tensor) -> Tensor:
        return _circle(features[:, 0])

    def encode_texts(self, texts: list[str]) -> Tensor:
        return _circle(torch.tensor([number(text) for text in texts]))


class Matcher(Reader):
    """The same, with a match head that prefers the number one above; it counts the pairs that it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[int, float]] = []

    def image_tokens(self, images: Tensor) -> Tensor:
        return self.encode_images(images)[:, None, :]

    def match(self, tokens: Tensor, texts: list[str]) -> Tensor:
        seen = tokens[:, 0, 0]
        numbers = torch.tensor([number(text) for text in texts])
        self.shown += [(round(float(seen[0])), float(one)) for one in numbers]
        return -10 * (numbers - seen - 1).abs()


class StudyMatcher(Matcher):
    """Reads a study as ten times the brightness of its first view and that of its second; counts how often it is shown some."""

    def __init__(self) -> None:
        super().__init__()
        self.studies = 0

    def study_tokens(self, images: Tensor) -> Tensor:
        self.studies += len(images)
        seen = images.mean(dim=(2, 3, 4)) * 255
        return torch.stack([10 * seen[:, :1] + seen[:, 1:], torch.zeros(len(images), 1)], dim=1)

    def project_studies(self, features: Tensor) -> Tensor:
        return _circle(features[:, 0])

    def match(self, tokens: Tensor, texts: list[str]) -> Tensor:
        return -(torch.tensor([number(text) for text in texts]) - tokens[:, 0, 0]).abs()


def number(text: str) -> float:
    first = text.split(maxsplit=1)[0] if text.split() else ""
    return float(first) if first.replace(".", "", 1).isdigit() else 200.0


def manifest_of(folder: Path, rows: Sequence[tuple[int | None, Sequence[str]]], **columns: Sequence[Any]) -> Manifest:
    """A row for each brightness (None = no image) and its texts; ``columns`` override patients, regions and attributes.

    ``others`` is the brightness of each row's second view, None where it has none.
    """
    samples, facts = [], []
    for index, (brightness, texts) in enumerate(rows):
        name = "" if brightness is None else f"{index}.png"
        if brightness is not None:
            Image.fromarray(np.full((4, 4), brightness, np.uint8)).save(folder / name)
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest() if name else ""
        second = columns.get("others", {index: None})[index]
        others = () if second is None else (f"{index}-second.png",)
        for other in others:
            Image.fromarray(np.full((4, 4), second, np.uint8)).save(folder / other)
        seconds = tuple(hashlib.sha256((folder / other).read_bytes()).hexdigest() for other in others)
        facts.append(ImageFacts(4, 4, digest, others_sha256=seconds))
        samples.append(
            Sample(
                sample_id=f"s{index}",
                patient_id=columns["patients"][index] if "patients" in columns else f"p{index}",
                image=name,
                texts=tuple(texts),
                others=others,
                region=Region(*columns["regions"][index]) if columns.get("regions", {index: None})[index] else None,
                attributes={one: columns[one][index] for one in ("sex", "age", "view") if one in columns},
            )
        )
    return Manifest("toy", folder, (), "toy", True, build_table(samples, (), facts))


def context_of(
    folder: Path, model: nn.Module, test: Manifest, *, rerank: int = 256, train: Manifest | None = None
) -> TrialContext:
    """A trial on the CPU, its cache inside ``folder``."""
    progress = Watched()
    return TrialContext(
        task=TASK,
        recipe=RetrievalRecipe(rerank=rerank),
        features=features_of(model, folder / "cache", Compute(), progress),
        dataset=test,
        train=test.take([]) if train is None else train,
        valid=test.take([]),
        test=test,
        seed=0,
        compute=Compute(),
        work_dir=folder / "work",
        progress=progress,
    )


def relevance_of(right: NDArray[np.bool_]) -> Relevance:
    """From a (Q, C) table, any True in every row."""
    queries, candidates = np.nonzero(right)
    return Relevance.of_pairs(queries, candidates, len(right))


def _circle(angle: Tensor) -> Tensor:
    radians = angle / 255 * 1.5
    return 3 * torch.stack([radians.cos(), radians.sin()], dim=1)
