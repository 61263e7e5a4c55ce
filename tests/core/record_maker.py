"""Records for tests, with every field given, so that a test states only what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from medbench.records import SCHEMA, MetricValue, Provenance, Record, Subset
from medbench.specs import MethodSpec, MethodVariant, MetricSpec, Recipe, TaskSpec

Metric = MetricValue | float | tuple[float, float, float] | None


def metric(value: Metric, n: int = 200) -> MetricValue:
    """A number, a (value, low, high), None for an undefined one, or a `MetricValue` as it is."""
    if isinstance(value, MetricValue):
        return value
    if isinstance(value, tuple):
        return MetricValue(value[0], low=value[1], high=value[2], n=n)
    return MetricValue(value, n=n, note="no positive image" if value is None else "")


def make_record(
    method: str = "mgca",
    score: Metric = (0.5, 0.4, 0.6),
    *,
    metrics: Mapping[str, Metric] | None = None,
    floors: Mapping[str, Mapping[str, Metric]] | None = None,
    **changes: Any,
) -> Record:
    """A record of ``toy-det`` whose ranking metric ``map`` is ``score``; ``changes`` replace any field."""
    record = Record(
        schema=SCHEMA,
        key="",
        phantom=False,
        task="toy-det",
        task_version=2,
        method=method,
        variant="resnet50",
        method_version=1,
        dataset="toy",
        dataset_version=1,
        split="official",
        recipe="standard",
        recipe_values={"epochs": 4},
        recipe_overrides={},
        fraction=1.0,
        seed=0,
        checkpoint_sha256="c" * 64,
        manifest_sha256="d" * 64,
        subset=Subset(n=10, sha256="e" * 64),
        test_n=200,
        metrics={"map": metric(score), **{name: metric(value) for name, value in (metrics or {}).items()}},
        floors={name: {key: metric(value) for key, value in floor.items()} for name, floor in (floors or {}).items()},
        ceilings={},
        notes={},
        provenance=Provenance(
            medbench="0.1.0",
            revision=None,
            versions={"torch": "2.11.0"},
            device="cpu",
            precision="fp32",
            started="2026-01-01T00:00:00Z",
            duration_s=1.5,
            peak_memory_mib=100.0,
        ),
        test_patients=200,
    )
    record = msgspec.structs.replace(record, **changes)
    if not record.key:
        parts = (record.task, record.task_version, record.method_id, record.split, record.recipe_label)
        parts += (record.fraction, record.seed, record.checkpoint_sha256, record.phantom)
        record = msgspec.structs.replace(record, key="-".join(map(str, parts)))
    return record


def make_task(**changes: Any) -> TaskSpec:
    """The task that `make_record` is of: ``map`` ranks, ``loss`` is better when lower, ``old`` is as released."""
    values: dict[str, Any] = {
        "id": "toy-det",
        "title": "Toy detection",
        "dataset": "toy",
        "split": "official",
        "protocol": "detection",
        "capabilities": frozenset({"DenseImageEncoder"}),
        "metrics": (
            MetricSpec(name="map", title="mAP"),
            MetricSpec(name="loss", title="Loss", higher_is_better=False),
            MetricSpec(name="old", title="Old mAP", as_released=True),
        ),
        "recipes": {"standard": Recipe()},
        "loader": "toy:load",
        "version": 2,
    }
    return TaskSpec(**{**values, **changes})


def make_method(name: str, pretrained_on: tuple[str, ...] | None) -> MethodSpec:
    """A method with one variant, ``resnet50``."""
    variant = MethodVariant(id="resnet50", title="", checkpoint=None, capabilities=frozenset())
    return MethodSpec(
        id=name,
        title=name,
        summary="",
        variants=(variant,),
        loader="toy:load",
        licence="",
        pretrained_on=pretrained_on,
    )
