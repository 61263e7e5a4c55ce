"""Protocols that break the contract, each in one way, for the tests of the checks."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from medbench.protocols import Example, GroupValue, ReliabilityBin, Shown, TrialContext, TrialOutcome
from medbench.records import MetricValue
from medbench.specs import Recipe, TaskSpec
from medbench.statistics import REPLICATES, bootstrap_mean, patient_counts, weighted_sums

Predictions = pa.Table
CALLS = itertools.count()


class Brightness:
    """Answers by the frozen features' sum: keeps the contract, with `Analysis` and `Exhibits`."""

    def run(self, context: TrialContext) -> TrialOutcome:
        features = context.features.encode(context.test).sum(1)
        answers = (features > np.median(features)).astype(np.int8)
        truth = [row.labels[0] for row in context.test.rows()]

        def table(values: Any) -> Predictions:
            ids, patients = context.test.sample_ids, context.test.patient_ids
            right = (np.asarray(values) == truth).astype(np.float64)
            return pa.table({"sample_id": ids, "patient_id": patients, "right": right})

        return TrialOutcome(predictions=table(answers), floors={"bright": table(np.ones(len(truth)))})

    def score(self, task: TaskSpec, recipe: Recipe, predictions: Predictions) -> dict[str, MetricValue]:
        right = predictions.column("right").to_numpy()
        interval = bootstrap_mean(right, predictions.column("patient_id").to_pylist())
        assert interval is not None
        return {"accuracy": MetricValue(float(right.mean()), interval.low, interval.high, n=len(right))}

    def replicates(self, task: TaskSpec, recipe: Recipe, predictions: Predictions) -> Mapping[str, Any]:
        right = predictions.column("right").to_numpy()
        counts = patient_counts(predictions.column("patient_id").to_pylist())
        sums = weighted_sums(np.stack([right, np.ones(len(right))], axis=1), counts)
        return {"accuracy": sums[:, 0] / sums[:, 1]}

    def groups(self, task: TaskSpec, recipe: Recipe, predictions: Predictions) -> Sequence[GroupValue]:
        value = self.score(task, recipe, predictions)["accuracy"]
        return [GroupValue(grouping="class", group="all", metric="accuracy", value=value)]

    def reliability(self, task: TaskSpec, recipe: Recipe, predictions: Predictions) -> Sequence[ReliabilityBin]:
        return ()

    def examples(self, task: TaskSpec, recipe: Recipe, predictions: Predictions, count: int) -> Sequence[Example]:
        rows = sorted(
            zip(predictions.column("sample_id").to_pylist(), predictions.column("right").to_pylist(), strict=True)
        )
        found = [Example(sample_id=one, right=right > 0, truth=Shown(), answer=Shown()) for one, right in rows]
        return [*[one for one in found if one.right][:count], *[one for one in found if not one.right][:count]]


def _changed(found: dict[str, MetricValue], **changes: Any) -> dict[str, MetricValue]:
    from msgspec.structs import replace as changed

    return {name: changed(value, **changes) for name, value in found.items()}


class Percent(Brightness):
    def score(self, *rest: Any) -> Any:
        return _changed(super().score(*rest), value=53.0)


class NoInterval(Brightness):
    def score(self, *rest: Any) -> Any:
        return _changed(super().score(*rest), low=None, high=None)


class Undefined(Brightness):
    def score(self, *rest: Any) -> Any:
        return _changed(super().score(*rest), value=None)


class ByOrder(Brightness):
    def score(self, task: Any, recipe: Any, predictions: Predictions) -> Any:
        half = predictions.num_rows // 2
        first = float(
            predictions.column("right").to_numpy()[:half].sum() + int(predictions["sample_id"][0].as_py()[1:])
        )
        return _changed(super().score(task, recipe, predictions), value=first / 1000)


class Counts(Brightness):
    def score(self, *rest: Any) -> Any:
        return _changed(super().score(*rest), value=next(CALLS) / 1000)


class Random(Brightness):
    def run(self, context: TrialContext) -> TrialOutcome:
        found = super().run(context)
        noise = pa.array([byte / 255 for byte in os.urandom(found.predictions.num_rows)])
        return replace(found, predictions=found.predictions.set_column(2, "right", noise))


class NoFloor(Brightness):
    def run(self, context: TrialContext) -> TrialOutcome:
        return TrialOutcome(predictions=super().run(context).predictions)


class Stranger(Brightness):
    def run(self, context: TrialContext) -> TrialOutcome:
        found = super().run(context).predictions
        return TrialOutcome(predictions=found.set_column(0, "sample_id", pa.array(["x"] * found.num_rows)))


class FewReplicates(Brightness):
    def replicates(self, *rest: Any) -> Any:
        return {"accuracy": np.zeros(3)}


class OwnReplicates(Brightness):
    def replicates(self, task: Any, recipe: Any, predictions: Predictions) -> Any:
        order = int(predictions["sample_id"][0].as_py()[1:])
        return {"accuracy": np.random.default_rng(order).random(REPLICATES)}


class WrongFirst(Brightness):
    def examples(self, *rest: Any) -> Any:
        first, second = super().examples(*rest)[:2]
        return [replace(first, right=False), replace(second, right=True)]


class Online(Brightness):
    def run(self, context: TrialContext) -> TrialOutcome:
        socket.create_connection(("scores.invalid", 80))
        raise AssertionError("nobody answers to that name")


class Keeps(Brightness):
    """Scores with what it kept of its run."""

    def __init__(self) -> None:
        self.kept: float | None = None

    def run(self, context: TrialContext) -> TrialOutcome:
        self.kept = 0.25
        return super().run(context)

    def score(self, *rest: Any) -> Any:
        found = super().score(*rest)
        return found if self.kept is None else _changed(found, value=found["accuracy"].value + 1e-3)


class Outside(Brightness):
    def score(self, *rest: Any) -> Any:
        return _changed(super().score(*rest), value=0.99, low=0.1, high=0.2)


class Negative(Brightness):
    def score(self, *rest: Any) -> Any:
        return _changed(super().score(*rest), value=-0.4, low=-0.5, high=-0.3)


class OtherSpread(Brightness):
    def replicates(self, *rest: Any) -> Any:
        return {"accuracy": 1.5 - super().replicates(*rest)["accuracy"]}


class UnrankedReplicates(Brightness):
    def replicates(self, *rest: Any) -> Any:
        return {}


class ByAnswers(Brightness):
    """Draws that depend on what is answered: of two methods they are not the same."""

    def replicates(self, task: Any, recipe: Any, predictions: Predictions) -> Any:
        rows = predictions.sort_by("sample_id")
        right = rows.column("right").to_numpy()
        seed = int.from_bytes(right.astype(np.uint8).tobytes()[:8], "little")
        counts = patient_counts(rows.column("patient_id").to_pylist(), seed=seed)
        sums = weighted_sums(np.stack([right, np.ones(len(right))], axis=1), counts)
        return {"accuracy": sums[:, 0] / sums[:, 1]}


class SeedsAll(Brightness):
    def score(self, *rest: Any) -> Any:
        np.random.seed(3)
        return super().score(*rest)


class Threads(Brightness):
    def run(self, context: TrialContext) -> TrialOutcome:
        torch.set_default_dtype(torch.float64)
        return super().run(context)


class Mute:
    """No protocol at all."""


PROTOCOLS = (Brightness, Percent, NoInterval, Undefined, ByOrder, Counts, Random, NoFloor, Stranger, FewReplicates)
PROTOCOLS += (OwnReplicates, WrongFirst, Online, Mute, Outside, Negative, OtherSpread, ByAnswers, SeedsAll, Threads)
PROTOCOLS += (UnrankedReplicates,)
KEEPS = Keeps()
GOOD = Brightness()


def __getattr__(name: str) -> Any:
    """``a_percent`` is an instance of `Percent`: what a loader's import string names."""
    for one in PROTOCOLS:
        if name == f"a_{one.__name__.lower()}":
            return one()
    raise AttributeError(name)
