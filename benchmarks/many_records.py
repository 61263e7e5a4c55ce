"""A results folder of 10,000 records with their replicates, and the plugin that their tasks, methods and datasets are of."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path

from medbench.hookspecs import hookimpl
from medbench.records import SCHEMA, MetricValue, Provenance, Record, Subset, encode
from medbench.specs import DatasetSpec, ExpectedFile, MethodSpec, MethodVariant, MetricSpec, Recipe, SplitSpec, TaskSpec
from medbench.store import ResultStore

TASKS, METHODS = 100, 20
TRIALS = ((0.01, 0), (0.1, 0), (1.0, 0), (1.0, 1), (1.0, 2))
"""Fraction and seed of each method's trials on a task."""
METRICS = ("auroc", "f1", "accuracy")
_NONE: frozenset[str] = frozenset()


@hookimpl
def medbench_tasks() -> list[TaskSpec]:
    return [_task(index) for index in range(TASKS)]


@hookimpl
def medbench_methods() -> list[MethodSpec]:
    return [_method(_method_id(index)) for index in range(METHODS)]


@hookimpl
def medbench_datasets() -> list[DatasetSpec]:
    return [_dataset(name) for name in dict.fromkeys(map(_dataset_id, range(TASKS)))]


def install_plugin(site: Path) -> None:
    """Make this module a plugin for processes that have ``site`` and the repository's root in their path."""
    info = site / "many_records-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: many-records\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[medbench]\nmany = benchmarks.many_records\n")


def write_many(folder: Path) -> int:
    """Write them, and give their number; predictions are not among them."""
    store = ResultStore(folder)
    number = 0
    for number, record in enumerate(many_records(), start=1):  # noqa: B007 - one by one: together they are 200 MB
        path = store.path(record.task, record.method_id, record.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(record))
    return number


def many_records() -> Iterator[Record]:
    """The records one by one; the numbers are drawn, methods differ in skill and tasks in difficulty."""
    import numpy as np

    from medbench.statistics import REPLICATES

    generator = np.random.default_rng(0)
    for task in range(TASKS):
        difficulty = generator.uniform(0, 0.2)
        draws = generator.normal(0, 0.01, REPLICATES)  # shared by all: the same patients
        for method in range(METHODS):
            for fraction, seed in TRIALS:
                base = 0.9 - difficulty - 0.01 * method + 0.02 * math.log10(fraction)
                values = {name: float(base + generator.normal(0, 0.01)) for name in METRICS}
                replicates = {
                    name: (value + draws + generator.normal(0, 0.004, REPLICATES)).astype("<f4").tobytes()
                    for name, value in values.items()
                }
                yield _record(task, method, fraction, seed, values, replicates)


def _record(
    task: int, method: int, fraction: float, seed: int, values: dict[str, float], replicates: dict[str, bytes]
) -> Record:
    metrics = {name: MetricValue(one, low=one - 0.02, high=one + 0.02, n=5000) for name, one in values.items()}
    return Record(
        schema=SCHEMA,
        key=hashlib.sha256(repr((task, method, fraction, seed)).encode()).hexdigest(),
        phantom=False,
        task=_task_id(task),
        task_version=1,
        method=_method_id(method),
        variant="base",
        method_version=1,
        dataset=_dataset_id(task),
        dataset_version=1,
        split="official",
        recipe="standard",
        recipe_values={"epochs": 50, "lr": 1e-3, "batch_size": 64, "seeds": [0, 1, 2]},
        recipe_overrides={},
        fraction=fraction,
        seed=seed,
        checkpoint_sha256=f"{method:064x}",
        manifest_sha256=f"{task + 1:08x}" * 8,
        subset=Subset(n=round(20_000 * fraction), sha256="e" * 64),
        test_n=5000,
        metrics=metrics,
        floors={"prevalence": {name: MetricValue(0.5, low=0.5, high=0.5, n=5000) for name in METRICS}},
        ceilings={},
        notes={"best_epoch": 12.0, "epochs": 50.0},
        provenance=Provenance(
            medbench="0.1.0",
            revision="0123456789abcdef0123456789abcdef01234567",
            versions={"python": "3.11.9", "torch": "2.11.0", "numpy": "2.2.0", "timm": "1.0.20"},
            device="NVIDIA H100 80GB HBM3",
            precision="bf16",
            started="2026-01-01T00:00:00Z",
            duration_s=321.5,
            peak_memory_mib=7000.0,
            images_per_second=800.0,
        ),
        samples_sha256=f"{task:064x}",
        test_patients=4000,
        replicates=replicates,
    )


def _task_id(index: int) -> str:
    return f"task-{index:03}"


def _method_id(index: int) -> str:
    return f"method-{index:02}"


def _dataset_id(index: int) -> str:
    return f"dataset-{index // 4:02}"


def _task(index: int) -> TaskSpec:
    return TaskSpec(
        id=_task_id(index),
        title=f"Findings of set {index}",
        dataset=_dataset_id(index),
        split="official",
        protocol="linear probe",
        capabilities=_NONE,
        metrics=tuple(MetricSpec(name=one, title=one.upper()) for one in METRICS),
        recipes={"standard": Recipe()},
        loader="benchmarks.many_records:none",
    )


def _method(name: str) -> MethodSpec:
    variant = MethodVariant(id="base", title="base", checkpoint=None, capabilities=_NONE)
    return MethodSpec(
        id=name,
        title=name,
        summary="",
        variants=(variant,),
        loader="benchmarks.many_records:none",
        licence="CC0-1.0",
        pretrained_on=("dataset-00:train",),
    )


def _dataset(name: str) -> DatasetSpec:
    return DatasetSpec(
        id=name,
        title=name,
        modality="none",
        access="open",
        licence="CC0-1.0",
        url="https://example.org",
        files=(ExpectedFile(path="images", purpose="images", kind="folder"),),
        supervision=frozenset({"labels"}),
        label_names=("finding",),
        splits=(SplitSpec(name="official", rule="all", source="none"),),
        reader="benchmarks.many_records:none",
    )
