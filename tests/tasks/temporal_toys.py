"""Pairs, sentences and features made up for the tests of the temporal protocols."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.protocols import Compute, TrialContext
from medbench.samples import Sample
from medbench.specs import TaskSpec
from medbench_tasks.temporal.recipe import IMAGE_METRICS, SENTENCE_METRICS, STANDARD_PAIRS, STANDARD_SENTENCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from medbench.specs import Recipe

FINDINGS = ("Consolidation", "Edema", "Pleural effusion", "Pneumonia", "Pneumothorax")


class KnownFeatures:
    """Stands in for `medbench.features.Features`: answers that are given; a model without a text tower unless ``joint``."""

    def __init__(
        self, images: dict[str, NDArray[np.float32]], texts: NDArray[np.float32] | None = None, *, joint: bool = False
    ) -> None:
        self._images, self._texts = images, texts
        methods = {"joint_dim": 2, "encode_texts": self.texts, "project_images": self.project} if joint else {}
        self.model: Any = SimpleNamespace(**methods)
        self.capabilities = frozenset({"ImageEncoder", "TextEncoder"} if joint else {"ImageEncoder"})
        self.asked: list[str] = []

    def encode(self, manifest: Manifest, *, image: str = "image") -> NDArray[np.float32]:
        return self._images[image]

    def project(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return features[:, :2] * np.float32(3)

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked = list(texts)
        if self._texts is None:
            raise ValueError("no text features were given")
        return self._texts


class Silent:
    """A progress reporter that says nothing."""

    def phase(self, name: str, total: int | None = None) -> None: ...

    def advance(self, steps: int = 1, note: str = "") -> None: ...

    def track(self, items: Iterable[Any], name: str, total: int | None = None) -> Iterable[Any]:
        return items


def image_task() -> TaskSpec:
    return _task("toy-temporal", IMAGE_METRICS, STANDARD_PAIRS, "image", "ImageEncoder")


def sentence_task() -> TaskSpec:
    return _task("toy-sentences", SENTENCE_METRICS, STANDARD_SENTENCES, "sentences", "TextEncoder")


def pair_manifest(labels: NDArray[np.integer], patients: Sequence[str] | None = None) -> Manifest:
    """A pair for each row of ``labels`` (N, 5), -1 unknown; a patient each unless told."""
    samples = [
        Sample(
            sample_id=f"c{index:03d}",
            patient_id=patients[index] if patients else f"s{index}",
            image=f"c{index}.jpg",
            previous=f"p{index}.jpg",
            labels={name: int(value) for name, value in zip(FINDINGS, row, strict=True) if value != -1},
        )
        for index, row in enumerate(labels)
    ]
    return _manifest(samples, FINDINGS)


def sentence_manifest(truth: NDArray[np.integer], texts: Sequence[tuple[str, ...]] | None = None) -> Manifest:
    """A pair of sentences for each of ``truth`` (N,), -1 unknown; sentences that no other pair has unless told."""
    samples = [
        Sample(
            sample_id=f"t{index:03d}",
            patient_id=f"t{index:03d}",
            texts=texts[index] if texts else (f"first {index}", f"second {index}"),
            labels={} if value < 0 else {"Paraphrase": int(value)},
        )
        for index, value in enumerate(truth)
    ]
    return _manifest(samples, ("Paraphrase",))


def context_of(
    features: KnownFeatures, manifest: Manifest, recipe: Recipe, seed: int = 0, task: TaskSpec | None = None
) -> TrialContext:
    """A trial whose every part but the test part is empty."""
    empty = manifest.take([])
    return TrialContext(
        task=task or image_task(),
        recipe=recipe,
        features=features,  # type: ignore[arg-type]
        dataset=manifest,
        train=empty,
        valid=empty,
        test=manifest,
        seed=seed,
        compute=Compute(),
        work_dir=Path(),
        progress=Silent(),
    )


def _task(name: str, metrics: Any, recipe: Recipe, module: str, capability: str) -> TaskSpec:
    return TaskSpec(
        id=name,
        title="Toy",
        dataset="toy",
        split="all",
        protocol="temporal",
        capabilities=frozenset({capability}),
        metrics=metrics,
        recipes={"standard": recipe},
        loader=f"medbench_tasks.temporal.{module}:PROTOCOL",
        parts=("test",),
    )


def _manifest(samples: Sequence[Sample], names: tuple[str, ...]) -> Manifest:
    facts = [ImageFacts(8, 8, "0")] * len(samples)
    return Manifest("toy", Path(), names, "0", True, build_table(samples, names, facts))
