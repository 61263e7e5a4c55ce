"""Holding a task to the contract: its spec, its protocol, a run of it on a phantom, and its scores from what was kept."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from medbench import preparation
from medbench.datasets import locate
from medbench.digests import DigestCache
from medbench.loading import resolve
from medbench.plan import PlannedTrial, find_weights
from medbench.progress import Reporter
from medbench.records import Record
from medbench.registry import Registry
from medbench.runner import Manifests, run_trial
from medbench.samples import PhantomSize
from medbench.selection import MethodChoice, select_methods
from medbench.settings import Settings
from medbench.specs import TaskSpec
from medbench.store import ResultStore
from medbench.testing import dataset_checks, method_checks
from medbench.testing.contract import Check, Finding, LeftOut, Report, attempt
from medbench.testing.guards import SharedState, check_network, check_state, no_network
from medbench.testing.score_checks import check_analysis, check_exhibits, check_record, check_scores, said
from medbench.testing.spec_checks import check_light, check_task_spec, owner_of
from medbench.testing.stand_in import stand_in
from medbench.trials import Trial, resolve_recipe, trial_key


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTrial:
    """How a task is tried.

    ``method`` None is a stand-in without weights; else a method as on the command line, whose phantom is drawn. ``recipe``
    None is ``quick`` where the task has it, else ``standard``; ``overrides`` change its fields. ``size`` is the phantom's.
    """

    method: str | None = None
    recipe: str | None = None
    overrides: Mapping[str, Any] | None = None
    size: PhantomSize = dataset_checks.SIZE


def task_report(name: str, registry: Registry, how: TaskTrial | None = None) -> Report:
    """The checks of a task, run twice by the real runner on the phantom of its dataset.

    Raises `UnknownNameError` where no plugin offers it, `UsageError` for a recipe or field that it lacks.
    """
    spec, settled = registry.task(name), how or TaskTrial()
    resolve_recipe(spec.recipe(_preset(spec, settled)), 1.0, settled.overrides or {})
    owner = owner_of("task", name, registry)
    light = check_light(owner) if owner is not None else ()
    with tempfile.TemporaryDirectory() as folder:
        return Report.of(f"task {name}", chain(light, check_task(spec, registry, Path(folder), settled)))


def check_task(spec: TaskSpec, registry: Registry, folder: Path, how: TaskTrial) -> Check:
    """As `task_report`, of a spec; ``folder`` is an empty one to work in."""
    where = f"task {spec.id}"
    outcomes = list(check_task_spec(spec, registry))
    yield from outcomes
    if any("not installed" in one.why for one in outcomes if isinstance(one, LeftOut)):
        return
    with no_network(spec.loader.partition(":")[0].partition(".")[0]) as tried:
        yield from _check_spec(spec, registry, folder, how)
    yield from check_network(where, tried, "a run reads the dataset and the method alone")


def _check_spec(spec: TaskSpec, registry: Registry, folder: Path, how: TaskTrial) -> Check:
    """Import its protocol, and run it; the caller watches the network."""
    where = f"task {spec.id}"
    shared = SharedState()
    protocol = attempt(where, "importing its loader", lambda: resolve(spec.loader, f"task '{spec.id}'"))
    yield from check_state(where, shared, "importing its loader")
    if isinstance(protocol, Finding | LeftOut):
        yield protocol
        return
    lacking = [name for name in ("run", "score") if not callable(getattr(protocol, name, None))]
    if lacking:
        yield Finding(where, f"its loader gives an object without {' and '.join(lacking)}", "see medbench.protocols")
        return
    if spec.dataset not in registry.datasets:
        return
    if registry.dataset(spec.dataset).phantom is None:
        yield Finding(where, f"it could not be run: {spec.dataset} has no phantom", "let its spec name one")
        return
    bench = attempt(where, "preparing its dataset", lambda: _Bench.of(spec, registry, folder, how))
    if isinstance(bench, Finding | LeftOut):
        yield bench if isinstance(bench, Finding) else Finding(where, bench.why)
    else:
        yield from _check_runs(bench, protocol)


@dataclass(frozen=True, slots=True)
class _Bench:
    """A task with its phantom prepared, and the trial to run."""

    registry: Registry
    folder: Path
    trial: Trial

    @classmethod
    def of(cls, spec: TaskSpec, registry: Registry, folder: Path, how: TaskTrial) -> _Bench:
        dataset_checks.draw(registry.dataset(spec.dataset), folder, how.size)
        choice = _method(spec, registry, folder, how.method)
        preset = _preset(spec, how)
        recipe = resolve_recipe(spec.recipe(preset), 1.0, how.overrides or {}, choice.id)
        bench = cls(registry, folder, Trial(choice, spec, preset, recipe, dict(how.overrides or {}), 1.0, 0))
        preparation.prepare(
            locate(registry.dataset(spec.dataset), bench.settings("first")), Reporter(), allow_incomplete=True
        )
        return bench

    def settings(self, run: str) -> Settings:
        """Of a run of that name: results and features of its own, the manifest shared."""
        return Settings(
            data=self.folder / "data",
            checkpoints=self.folder / "checkpoints",
            results=self.folder / run,
            cache=self.folder / "cache",
            device="cpu",
        )

    def run(self, name: str) -> Record:
        """One trial by the real runner, from nothing but the manifest."""
        settings = self.settings(name)
        shutil.rmtree(settings.cache / "features", ignore_errors=True)
        info = locate(self.registry.dataset(self.trial.task.dataset), settings).info()
        weights = find_weights(self.trial.choice, settings, DigestCache(settings.cache / "digests.json"))
        if weights.error is not None:
            raise weights.error
        key = trial_key(
            self.trial,
            checkpoint=weights.identity,
            manifest=info.sha256 if info is not None else "",
            precision=settings.precision,
            texts=weights.texts,
        )
        planned = PlannedTrial(
            trial=self.trial,
            state="ready",
            key=key,
            checkpoint=weights.identity,
            texts=weights.texts,
            phantom=True,
        )
        return run_trial(planned, Manifests(self.registry, settings), Reporter())


def _preset(spec: TaskSpec, how: TaskTrial) -> str:
    return how.recipe or ("quick" if "quick" in spec.recipes else "standard")


def _method(spec: TaskSpec, registry: Registry, folder: Path, method: str | None) -> MethodChoice:
    if method is None:
        return stand_in(spec.capabilities)
    choice = select_methods(method, registry, folder / "checkpoints")[0]
    if choice.spec.phantom is not None:
        method_checks.draw_weights(choice.spec, folder)
    return choice


def _check_runs(bench: _Bench, protocol: Any) -> Check:
    task, recipe = bench.trial.task, bench.trial.recipe
    where = f"task {task.id}"
    shared = SharedState()
    record = attempt(where, f"running it with {bench.trial.choice.id}", lambda: bench.run("first"))
    yield from check_state(where, shared, "running it", seeds=True)
    if isinstance(record, Finding | LeftOut):
        yield record if isinstance(record, Finding) else Finding(where, record.why)
        return
    yield from check_record(where, task, record)
    again = attempt(where, "running it a second time", lambda: bench.run("second"))
    if isinstance(again, Finding | LeftOut):
        yield again
    else:
        yield from _same_runs(where, record, again, bench)
    yield from check_state(where, shared, "running it", seeds=True)
    predictions = ResultStore(bench.settings("first").results).read_predictions(record)
    for name in ("data", "checkpoints", "cache"):  # scores are a function of the predictions alone
        shutil.rmtree(bench.folder / name, ignore_errors=True)
    yield from check_scores(where, task, recipe, protocol, record, predictions)
    yield from check_analysis(where, task, recipe, protocol, record, predictions)
    yield from check_exhibits(where, task, recipe, protocol, predictions)
    yield from check_state(where, shared, "scoring it")


def _same_runs(where: str, record: Record, again: Record, bench: _Bench) -> Check:
    mend = "draw from context.seed alone, in an order that is fixed"
    if record.metrics != again.metrics:
        name = next(name for name in record.metrics if record.metrics[name] != again.metrics.get(name))
        values = " and ".join(said(one.metrics.get(name)) for one in (record, again))
        yield Finding(where, f"two runs with one seed give two values of {name}: {values}", mend)
        return
    tables = [
        ResultStore(bench.settings(run).results).read_predictions(one)
        for run, one in (("first", record), ("second", again))
    ]
    if not tables[0].equals(tables[1]):
        yield Finding(where, "two runs with one seed give other predictions", mend)
