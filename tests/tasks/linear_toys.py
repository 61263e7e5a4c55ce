"""Samples whose features are drawn, for the tests of probes on frozen features."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from trial_features import whole

from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.protocols import Compute, TrialContext
from medbench.samples import Sample
from medbench.specs import Recipe, Target, TaskSpec
from medbench_tasks.classification.metrics_catalogue import MULTI_CLASS, MULTI_LABEL


class Silent:
    """A progress reporter that says nothing."""

    def phase(self, name: str, total: int | None = None) -> None: ...

    def advance(self, steps: int = 1, note: str = "") -> None: ...

    def track(self, items: Iterable[Any], name: str, total: int | None = None) -> Iterator[Any]:
        yield from items


@dataclass
class DrawnFeatures:
    """Stands in for `medbench.features.Features`: the vector of each sample by its id."""

    vectors: dict[str, NDArray[np.float32]]

    def encode(self, manifest: Manifest) -> NDArray[np.float32]:
        return np.stack([self.vectors[sample] for sample in manifest.sample_ids])


def drawn(
    rows: int, width: int, labels: int, *, seed: int = 0, noise: float = 0.5
) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Features (rows, width) of unequal spread and correlated, and labels (rows, labels) that hang on them."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(rows, width)) @ generator.normal(size=(width, width)) / width + 0.3
    scores = features @ generator.normal(size=(width, labels))
    scores = (scores - scores.mean(0)) / scores.std(0) + noise * generator.normal(size=scores.shape)
    return features.astype(np.float32), (scores > 0.3).astype(np.int8)


def manifest_of(truth: NDArray[np.int8], prefix: str) -> Manifest:
    """A row per row of ``truth``, -1 unknown; two samples a patient."""
    names = [f"finding-{label}" for label in range(truth.shape[1])]
    samples = [
        Sample(
            sample_id=f"{prefix}{row}",
            patient_id=f"{prefix}{row // 2}",
            image=f"{prefix}{row}.png",
            labels={name: int(value) for name, value in zip(names, values, strict=True) if value != -1},
        )
        for row, values in enumerate(truth)
    ]
    table: pa.Table = build_table(samples, names, [ImageFacts(8, 8, "0")] * len(samples))
    return Manifest("toy", Path(), tuple(names), "0", True, table)


def context_of(
    folder: Path,
    recipe: Recipe,
    features: NDArray[np.float32],
    truth: NDArray[np.int8],
    *,
    target: Target | None,
    protocol: str = "linear.protocol",
) -> TrialContext:
    """A trial over the first half of the samples, a quarter for validation and a quarter to test."""
    bounds = [0, len(truth) // 2, 3 * len(truth) // 4, len(truth)]
    slices = [slice(*pair) for pair in pairwise(bounds)]
    parts = [manifest_of(truth[rows], name) for rows, name in zip(slices, "abc", strict=True)]
    vectors = {
        sample: vector
        for part, rows in zip(parts, slices, strict=True)
        for sample, vector in zip(part.sample_ids, features[rows], strict=True)
    }
    multi_class = target is not None and target.kind == "multi-class"
    task = TaskSpec(
        id="toy-linear",
        title="Toy",
        dataset="toy",
        split="image",
        protocol="linear probe",
        capabilities=frozenset({"ImageEncoder"}),
        metrics=MULTI_CLASS if multi_class else MULTI_LABEL,
        recipes={"standard": recipe},
        loader=f"medbench_tasks.{protocol}:PROTOCOL",
        target=target,
    )
    return TrialContext(
        task=task,
        recipe=recipe,
        features=DrawnFeatures(vectors),  # type: ignore[arg-type]
        dataset=whole(*parts),
        train=parts[0],
        valid=parts[1],
        test=parts[2],
        seed=0,
        compute=Compute(),
        work_dir=folder,
        progress=Silent(),
    )
