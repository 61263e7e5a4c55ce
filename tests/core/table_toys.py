"""A protocol that offers `Analysis`, and results folders of it, for the tests of tables and plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from medbench import replicates
from medbench.leaderboard.text import clean
from medbench.protocols import GroupValue, ReliabilityBin
from medbench.records import MetricValue, Record
from medbench.specs import Recipe, TaskSpec
from medbench.statistics import bootstrap_mean, patient_counts, weighted_sums
from medbench.store import ResultStore
from tests.core.record_maker import make_record, make_task

SAMPLES = 60
CLASSES = ("nodule", "oedema", "mass")
_LOADER = "tests.core.table_toys:PROTOCOL"
_BIN_EDGES = np.linspace(0, 1, 6)


class ShareRight:
    """Its metric ``map`` is the mean of the column ``right``."""

    def score(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> dict[str, MetricValue]:
        return {"map": _mean(predictions, np.arange(predictions.num_rows))}

    def replicates(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Mapping[str, Any]:
        return {"map": replicates_of(predictions)}

    def groups(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[GroupValue]:
        found = []
        for grouping, column in (("class", "finding"), ("sex", "sex")):
            members = np.array(predictions.column(column).to_pylist())
            for group in dict.fromkeys(members):
                value = _mean(predictions, np.flatnonzero(members == group))
                found.append(GroupValue(grouping=grouping, group=str(group), metric="map", value=value))
        return found

    def reliability(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[ReliabilityBin]:
        right, confidence = (np.array(predictions.column(name).to_pylist()) for name in ("right", "confidence"))
        bin_of = np.searchsorted(_BIN_EDGES, confidence) - 1
        return [
            ReliabilityBin(
                low=float(_BIN_EDGES[index]),
                high=float(_BIN_EDGES[index + 1]),
                n=int((bin_of == index).sum()),
                confidence=float(confidence[bin_of == index].mean()),
                frequency=float(right[bin_of == index].mean()),
            )
            for index in np.unique(bin_of)
        ]


class Mute:
    """A protocol without `Analysis`."""

    def score(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> dict[str, MetricValue]:
        return {}


PROTOCOL = ShareRight()
MUTE = Mute()


def toy_task(**changes: Any) -> TaskSpec:
    """`make_task` with the protocol above."""
    return make_task(**{"loader": _LOADER, "recipes": {"standard": EpochRecipe()}, **changes})


@dataclass(frozen=True, kw_only=True)
class EpochRecipe(Recipe):
    """The one field that `make_record` has."""

    epochs: int = 4


def toy_registry(*tasks: TaskSpec) -> Any:
    """What the tables ask of a registry: specs by id."""
    return SimpleNamespace(tasks={task.id: task for task in tasks or (toy_task(),)}, methods={}, datasets={})


def predictions_of(skill: float, seed: int, classes: Sequence[str] = CLASSES, samples: int = SAMPLES) -> pa.Table:
    """A row a sample for the model and for the floor ``guess``; two samples a patient."""
    rows = []
    for source, share, stream in (("model", skill, [seed, round(1000 * skill)]), ("guess", 0.3, [7])):
        generator = np.random.default_rng(stream)
        confidence = generator.uniform(0.02, 0.98, samples) if source == "model" else np.full(samples, 0.3)
        right = (generator.uniform(size=samples) < share).astype(float)
        rows += [
            {
                "source": source,
                "sample_id": f"s{index:03}",
                "patient_id": f"p{index // 2:03}",
                "right": float(right[index]),
                "confidence": float(confidence[index]),
                "finding": classes[index % len(classes)],
                "sex": "F" if index % 3 else "M",
            }
            for index in range(samples)
        ]
    return pa.Table.from_pylist(rows)


def replicates_of(predictions: pa.Table) -> np.ndarray:
    """The bootstrap of the mean of ``right``, written down on its own."""
    right = np.array(predictions.column("right").to_pylist())
    columns = np.stack([right, np.ones(len(right))], axis=1)
    sums = weighted_sums(columns, patient_counts(predictions.column("patient_id").to_pylist()))
    return sums[:, 0] / sums[:, 1]


def keep(
    store: ResultStore, method: str, skill: float, *, predictions: pa.Table | None = None, **changes: Any
) -> Record:
    """Write a trial of ``method`` whose metrics agree with its predictions."""
    seed = changes.get("seed", 0)
    table = predictions if predictions is not None else predictions_of(skill, seed)
    model, guess = (
        table.filter(pa.array([source == wanted for source in table.column("source").to_pylist()]))
        for wanted in ("model", "guess")
    )
    kept = replicates.replicates_of(toy_task(), EpochRecipe(), PROTOCOL, model)
    record = make_record(
        method,
        _mean(model, np.arange(model.num_rows)),
        floors={"guess": {"map": _mean(guess, np.arange(guess.num_rows))}},
        test_n=model.num_rows,
        **{
            "samples_sha256": kept.samples_sha256,
            "test_patients": kept.patients,
            "replicates": kept.by_metric,
            **changes,
        },
    )
    store.write(record, table)
    return record


def files_of(folder: Path) -> dict[str, bytes]:
    """What lies in a folder of tables."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def table_rows(page: str, title: str) -> list[list[str]]:
    """The cells of the first table under the heading ``title`` of a page, header first, without the rule."""
    section = page.split(f"## {title}\n", 1)[1]
    block = next(part.strip() for part in section.split("\n\n") if part.strip().startswith("|"))
    rows = [[clean(cell) for cell in line.strip("|").split("|")] for line in block.splitlines()]
    return [rows[0], *rows[2:]]


def _mean(predictions: pa.Table, rows: np.ndarray) -> MetricValue:
    right = np.array(predictions.column("right").to_pylist())[rows]
    patients = [predictions.column("patient_id")[int(row)].as_py() for row in rows]
    interval = bootstrap_mean(right, patients)
    assert interval is not None
    return MetricValue(float(right.mean()), low=interval.low, high=interval.high, n=len(rows))
