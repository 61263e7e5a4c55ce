"""One trial, from its plan to its record."""

from __future__ import annotations

import datetime
import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from medbench import preparation, subsets
from medbench.datasets import locate
from medbench.errors import MissingDataError, TrialError
from medbench.features import Features
from medbench.foresight import foreseen_needs
from medbench.identity import ModelIdentity, loader_code
from medbench.loading import resolve
from medbench.models import load_model
from medbench.pixels.remarks import remarks_on
from medbench.plan import PlannedTrial
from medbench.protocols import PhaseReporter, TaskProtocol, TrialContext, TrialOutcome
from medbench.provenance import provenance_of
from medbench.records import SCHEMA, MetricValue, Record
from medbench.replicates import Replicates, replicates_of
from medbench.specs import PARTS, Part, Recipe, TaskSpec
from medbench.store import ResultStore
from medbench.trial_checks import check_samples, check_unchanged, settle_compute
from medbench.trials import Trial, recipe_values

if TYPE_CHECKING:
    import pyarrow as pa

    from medbench.manifest import Manifest
    from medbench.registry import Registry
    from medbench.settings import Settings

MODEL = "model"
"""The ``source`` of the method's own predictions in the Parquet; floors and ceilings stand beside them by name."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The manifest's parts for a trial; ``whole`` is false where ``train`` is a drawn subset."""

    dataset: Manifest
    train: Manifest
    valid: Manifest
    test: Manifest
    whole: bool


@dataclass(slots=True)
class Manifests:
    """The prepared datasets of a run, each read and checked once, when a trial first needs it."""

    registry: Registry
    settings: Settings
    _read: dict[str, Manifest] = field(default_factory=dict)
    _remarked: set[str] = field(default_factory=set)

    def get(self, dataset: str) -> Manifest:
        """The manifest of a dataset. Raises `TrialError` where it is not prepared, or its raw files have changed."""
        if dataset not in self._read:
            files = locate(self.registry.dataset(dataset), self.settings)
            info = files.info()
            if info is None:
                raise TrialError(f"{dataset} is not prepared", fix=f"medbench data prepare {dataset}")
            self._read[dataset] = preparation.load(files, info)
        return self._read[dataset]

    def remarks(self) -> list[str]:
        """What cost time in reading them, of each dataset once."""
        found = {name: remarks_on(manifest) for name, manifest in self._read.items() if name not in self._remarked}
        self._remarked |= {name for name, lines in found.items() if lines}
        return [line for lines in found.values() for line in lines]


def run_trial(planned: PlannedTrial, manifests: Manifests, progress: PhaseReporter) -> Record:
    """Run a planned trial and write its record and predictions. The caller holds the trial's claim.

    Raises `medbench.errors.MedbenchError` for what a user can mend; anything else is a defect of the plugin or medbench.
    """
    registry, settings = manifests.registry, manifests.settings
    trial = planned.trial
    started = datetime.datetime.now(datetime.UTC)
    clock = time.perf_counter()
    context, parts = context_of(planned, manifests, progress)
    protocol: TaskProtocol = resolve(trial.task.loader, f"task '{trial.task.id}'")
    outcome = protocol.run(context)
    notes = context.features.notes() | {name: float(value) for name, value in outcome.notes.items()}
    if context.compute.processes > 1:
        notes["processes"] = float(context.compute.processes)
    progress.phase("score")
    predictions = join_predictions(outcome)
    check_samples(trial, predictions, parts.test, model=MODEL)
    scored = score(trial.task, trial.recipe, protocol, predictions, ceilings=outcome.ceilings)
    drawn = replicates_of(trial.task, trial.recipe, protocol, outcome.predictions)
    record = Record(
        schema=SCHEMA,
        key=str(planned.key),
        phantom=planned.phantom or parts.test.phantom,
        task=trial.task.id,
        task_version=trial.task.version,
        method=trial.choice.spec.id,
        variant=trial.choice.variant.id,
        method_version=trial.choice.spec.version,
        dataset=trial.task.dataset,
        dataset_version=registry.dataset(trial.task.dataset).version,
        split=trial.task.split,
        recipe=trial.recipe_name,
        recipe_values=recipe_values(trial.recipe),
        recipe_overrides=dict(trial.overrides),
        fraction=trial.fraction,
        seed=trial.seed,
        checkpoint_sha256=planned.checkpoint,
        manifest_sha256=parts.test.sha256,
        subset=subsets.describe(parts.train.sample_ids, whole=parts.whole),
        test_n=len(parts.test),
        metrics=scored.metrics,
        floors=scored.floors,
        ceilings=scored.ceilings,
        notes=notes,
        provenance=provenance_of(
            registry,
            context.compute,
            started=started,
            duration_s=time.perf_counter() - clock,
            images_per_second=notes.get("images_per_second"),
        ),
        samples_sha256=drawn.samples_sha256,
        test_patients=drawn.patients,
        replicates=drawn.by_metric,
    )
    ResultStore(settings.results).write(record, predictions)
    shutil.rmtree(context.work_dir, ignore_errors=True)
    return record


def help_trial(planned: PlannedTrial, manifests: Manifests, progress: PhaseReporter) -> None:
    """Take part in a trial that another process of the group runs: do all that the protocol does, and write no record.

    Raises as `run_trial`.
    """
    context, _ = context_of(planned, manifests, progress)
    protocol: TaskProtocol = resolve(planned.trial.task.loader, f"task '{planned.trial.task.id}'")
    protocol.run(context)


def context_of(planned: PlannedTrial, manifests: Manifests, progress: PhaseReporter) -> tuple[TrialContext, Parts]:
    """All that the protocol gets. Raises `MedbenchError` where what was planned is not what is there."""
    import torch

    settings, trial = manifests.settings, planned.trial
    progress.phase("load")
    parts = load_parts(trial, manifests)
    check_unchanged(planned, parts.test.sha256, settings)
    compute = settle_compute(settings, processes=settings.nproc_per_node if trial.task.distributed else 1)
    if compute.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        # "fp32" must mean it: convolutions would otherwise round to 10 bits, matrix products (by default) would not.
        torch.backends.cudnn.allow_tf32 = compute.precision != "fp32"
    work_dir = settings.results / ".work" / str(planned.key)
    features = Features(
        identity=model_identity(trial, planned.checkpoint),
        load=lambda: load_model(trial.choice, settings, seed=trial.seed, needed=_needed(trial)),
        folder=settings.cache / "features",
        compute=compute,
        progress=progress,
        capabilities=trial.choice.variant.capabilities,
        text_files=planned.texts,
        fallback=work_dir / "features",
    )
    context = TrialContext(
        task=trial.task,
        recipe=trial.recipe,
        features=features,
        dataset=parts.dataset,
        train=parts.train,
        valid=parts.valid,
        test=parts.test,
        seed=trial.seed,
        compute=compute,
        work_dir=work_dir,
        progress=progress,
    )
    features.beside = partial(
        foreseen_needs, planned, context, manifests.registry, partial(load_parts, manifests=manifests)
    )
    return context, parts


def load_parts(trial: Trial, manifests: Manifests) -> Parts:
    """A trial's dataset, which must be prepared, with the train subset, valid and test parts."""
    manifest = manifests.get(trial.task.dataset)
    train, valid, test = (_part(manifest, trial.task, part) for part in PARTS)
    chosen = subsets.draw(train.sample_ids, trial.fraction, trial.seed) if len(train) else []
    return Parts(dataset=manifest, train=train.take(chosen), valid=valid, test=test, whole=trial.fraction == 1)


def _part(manifest: Manifest, task: TaskSpec, part: Part) -> Manifest:
    """A part of the task's split; one that the task does not need may be empty."""
    try:
        return manifest.part(task.split, part)
    except MissingDataError:
        if part in task.parts:
            raise
        return manifest.take([])


def model_identity(trial: Trial, checkpoint: str | None) -> ModelIdentity:
    """What tells the trial's weights from all others; ``checkpoint`` as in `medbench.plan.PlannedTrial`."""
    choice = trial.choice
    return ModelIdentity(
        method=choice.spec.id,
        variant=choice.variant.id,
        version=choice.spec.version,
        checkpoint=checkpoint,
        seed=trial.seed if choice.variant.checkpoint is None else None,
        code=loader_code(choice.spec.loader),
    )


def _needed(trial: Trial) -> frozenset[str]:
    return trial.task.needs(trial.choice.variant.capabilities) or trial.task.capabilities


class Scored(NamedTuple):
    """Metrics by name of the model, and of each floor and ceiling by its name."""

    metrics: dict[str, MetricValue]
    floors: dict[str, dict[str, MetricValue]]
    ceilings: dict[str, dict[str, MetricValue]]


def score(
    task: TaskSpec, recipe: Recipe, protocol: TaskProtocol, predictions: pa.Table, *, ceilings: Collection[str]
) -> Scored:
    """The metrics, from kept predictions; sources in ``ceilings`` are these. Raises `TrialError` where one is missing."""
    import pyarrow.compute as pc

    scored: dict[str, dict[str, MetricValue]] = {}
    for source in predictions.column("source").unique().to_pylist():
        rows = predictions.filter(pc.equal(predictions.column("source"), source)).drop_columns(["source"])
        scored[source] = protocol.score(task, recipe, rows)
        missing = {metric.name for metric in task.metrics} - scored[source].keys()
        if missing:
            raise TrialError(f"task '{task.id}' gave no {', '.join(sorted(missing))} for {source}")
    return Scored(
        scored.pop(MODEL),
        {name: found for name, found in scored.items() if name not in ceilings},
        {name: found for name, found in scored.items() if name in ceilings},
    )


def model_rows(predictions: pa.Table) -> pa.Table:
    """The model's own rows of kept predictions, without the ``source`` column."""
    import pyarrow.compute as pc

    return predictions.filter(pc.equal(predictions.column("source"), MODEL)).drop_columns(["source"])


def join_predictions(outcome: TrialOutcome) -> pa.Table:
    """The predictions of the model, the floors and the ceilings as one table with a ``source`` column."""
    import pyarrow as pa

    tables = {MODEL: outcome.predictions, **outcome.floors, **outcome.ceilings}
    return pa.concat_tables(
        [
            table.add_column(0, "source", pa.array([source] * table.num_rows, pa.string()))
            for source, table in tables.items()
        ]
    )


def rescored(record: Record, scored: Scored, drawn: Replicates) -> Record:
    """The record with its metrics and replicates computed again; where it came from stays as it was."""
    from msgspec.structs import replace as replace_fields

    return replace_fields(
        record,
        metrics=scored.metrics,
        floors=scored.floors,
        ceilings=scored.ceilings,
        samples_sha256=drawn.samples_sha256,
        test_patients=drawn.patients,
        replicates=drawn.by_metric,
    )
