"""Small manifests and predictions with labels, for the tests of what all classification protocols share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.samples import Sample
from medbench.specs import Recipe, Target, TaskSpec
from medbench_tasks.classification.metrics_catalogue import METRICS
from medbench_tasks.classification.predictions import Predictions


def manifest_of(
    labels: Sequence[Mapping[str, int]],
    names: Sequence[str] = ("A", "B"),
    patients: Sequence[str] | None = None,
    attributes: Sequence[Mapping[str, str]] | None = None,
) -> Manifest:
    """A manifest with a sample for each mapping of label names to values; patients are ``p0``, ``p1``, ... by default."""
    samples = [
        Sample(
            sample_id=f"s{index}",
            patient_id=patients[index] if patients else f"p{index}",
            image=f"{index}.png",
            labels=values,
            attributes=attributes[index] if attributes else {},
        )
        for index, values in enumerate(labels)
    ]
    facts = [ImageFacts(8, 8, "0" * 64)] * len(samples)
    return Manifest("toy", Path("toy"), tuple(names), "0" * 64, False, build_table(samples, names, facts))


def predictions_of(
    truth: Any, scores: Any, kind: Any = "multi-label", *, thresholds: Any = None, **changes: Any
) -> Predictions:
    """Predictions with labels A, B, ... from arrays (N, K); one patient a sample, thresholds 0.5 by default."""
    truth, scores = np.asarray(truth, np.int8), np.asarray(scores, np.float64)
    rows, width = truth.shape
    values: dict[str, Any] = {
        "sample_ids": [f"s{index}" for index in range(rows)],
        "patient_ids": [f"p{index}" for index in range(rows)],
        "target": Target(kind=kind, labels=tuple("ABCDEFGH"[:width])),
        "truth": truth,
        "scores": scores,
        "thresholds": np.full(width, 0.5) if thresholds is None else np.asarray(thresholds, np.float64),
        "probabilities": True,
        "attributes": {"sex": [""] * rows, "age": [""] * rows, "view": [""] * rows},
    }
    return Predictions(**{**values, **changes})


def one_hot(classes: Sequence[int], width: int) -> NDArray[np.int8]:
    """(N, width) rows with a single 1, or -1 throughout for class -1."""
    chosen = np.asarray(classes)[:, None]
    return np.where(chosen < 0, -1, np.arange(width) == chosen).astype(np.int8)


def toy_task() -> TaskSpec:
    """A task that lists every metric of the catalogue."""
    return TaskSpec(
        id="toy-linear",
        title="Toy",
        dataset="toy",
        split="official",
        protocol="linear-probe",
        capabilities=frozenset({"ImageEncoder"}),
        metrics=METRICS,
        recipes={"standard": Recipe()},
        loader="toy:load",
    )
