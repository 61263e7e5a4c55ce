"""What a task plugin implements, and what it is given: the contract between the runner and a protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from medbench.records import MetricValue
from medbench.specs import Recipe, TaskSpec

if TYPE_CHECKING:
    import pyarrow as pa

    from medbench.manifest import Manifest

Item = TypeVar("Item")


class PhaseReporter(Protocol):
    """Where a protocol tells how far it is: ``prepare``, ``encode``, ``train``, ``evaluate``; the runner adds two."""

    def phase(self, name: str, total: int | None = None) -> None:
        """Enter a phase of ``total`` steps (None = unknown)."""
        ...

    def advance(self, steps: int = 1, note: str = "") -> None:
        """``steps`` more of the present phase are done; ``note`` is shown beside it (a loss, a score)."""
        ...

    def track(self, items: Iterable[Item], name: str, total: int | None = None) -> Iterable[Item]:
        """Iterate over ``items`` as a phase."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute:
    """On what and how a trial runs. ``device`` is ``cpu`` or ``cuda``; visibility of GPUs is the executor's business."""

    device: str = "cpu"
    precision: str = "fp32"
    workers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialContext:
    """All that a protocol gets for one trial.

    ``recipe`` is resolved for the fraction. ``train`` is already the subset that fraction and seed draw; ``valid`` and
    ``test`` are whole. ``work_dir`` is private to the trial, survives a kill, and is removed once the record is written:
    training state goes there so that a second start resumes.
    """

    task: TaskSpec
    recipe: Recipe
    model: Any
    train: Manifest
    valid: Manifest
    test: Manifest
    seed: int
    compute: Compute
    work_dir: Path
    progress: PhaseReporter


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """What a protocol gives back.

    ``predictions`` has a row per test sample with ``sample_id`` and ``patient_id`` columns and whatever `score` needs, so
    that metrics can be computed again without a model. ``floors`` are the trivial answers (all background, the mean box)
    in the same form. ``notes`` are numbers worth keeping (epochs run, best epoch, images per second).
    """

    predictions: pa.Table
    floors: Mapping[str, pa.Table] = field(default_factory=dict)
    notes: Mapping[str, float] = field(default_factory=dict)


class TaskProtocol(Protocol):
    """A standard procedure, as the loader of a `TaskSpec` resolves to it."""

    def run(self, context: TrialContext) -> TrialOutcome:
        """Train if the protocol trains, predict on ``context.test``."""
        ...

    def score(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> dict[str, MetricValue]:
        """Every metric of ``task.metrics`` by name, with its interval, from the predictions alone."""
        ...
