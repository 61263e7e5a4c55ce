"""From a selection to trials, with all that is missing told at once: the preflight.

Light on purpose: neither torch nor numpy is imported, so ``medbench plan`` answers at once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from medbench import checkpoints
from medbench.beside import Beside, with_neighbours
from medbench.datasets import DatasetFiles, ManifestInfo, locate, require_parts
from medbench.digests import DigestCache
from medbench.errors import (
    CheckpointError,
    MedbenchError,
    MissingCheckpointError,
    NewerRecordError,
    PluginError,
    UnknownNameError,
    UsageError,
)
from medbench.registry import Registry
from medbench.selection import MethodChoice, select_methods, select_tasks
from medbench.settings import Settings
from medbench.specs import PARTS, CheckpointSource, Recipe, TaskSpec
from medbench.store import ResultStore
from medbench.trials import SUGGESTIONS, Trial, resolve_recipe, trial_key

State = Literal["ready", "done", "blocked", "not-applicable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asked to run. ``seeds`` None means those that the recipe names."""

    methods: str
    tasks: str
    recipe: str = "standard"
    fractions: tuple[float, ...] = (1.0,)
    seeds: tuple[int, ...] | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTrial:
    """A trial with its state. ``key`` is None while the dataset is not prepared, or the trial blocked.

    ``checkpoint`` is the identity of the weights: a SHA-256, ``hub:<id>``, or None for a method that needs none; ``texts``
    the digest of the method's text files, None where there is none.
    ``beside`` are the trials that share its features, one a task and recipe, itself among them.
    ``estimate_s`` and ``estimate_bytes`` are medians over past records that differ in seed or weights alone, else None.
    """

    trial: Trial
    state: State
    reason: str = ""
    key: str | None = None
    checkpoint: str | None = None
    texts: str | None = None
    phantom: bool = False
    estimate_s: float | None = None
    estimate_bytes: int | None = None
    error: MedbenchError | None = None
    beside: tuple[Beside, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Trials in the order they will run, the datasets that must be prepared first, and tasks without the recipe."""

    trials: tuple[PlannedTrial, ...]
    unprepared: tuple[DatasetFiles, ...]
    without_recipe: tuple[str, ...] = ()

    def of_state(self, state: State) -> tuple[PlannedTrial, ...]:
        """The trials in that state."""
        return tuple(planned for planned in self.trials if planned.state == state)


@dataclass(frozen=True, slots=True)
class Weights:
    """A variant's weights as found: their identity and their text files' digest, or the error that says what is missing."""

    identity: str | None = None
    phantom: bool = False
    error: MedbenchError | None = None
    texts: str | None = None


def build_plan(request: Request, registry: Registry, settings: Settings) -> Plan:
    """The plan of a request. Raises `UsageError` for names, recipes, fractions or seeds that make no sense."""
    planner = _Planner(registry, settings)
    trials = [planner.place(trial) for trial in _trials(request, registry, settings.checkpoints)]
    unprepared = [
        files for name, files in planner.datasets.items() if files.present and planner.manifests[name] is None
    ]
    lacking = [task.id for task in select_tasks(request.tasks, registry) if request.recipe not in task.recipes]
    return Plan(with_neighbours(trials), tuple(unprepared), tuple(lacking))


def find_weights(choice: MethodChoice, settings: Settings, digests: DigestCache) -> Weights:
    """The identity of a variant's weights under these settings, or what is missing."""
    if choice.error is not None:
        return Weights(error=choice.error)
    source = choice.variant.checkpoint
    if source is None:
        return Weights()
    path = settings.checkpoint_path(choice.spec.id, choice.variant.id, source.filename)
    if path.is_file():
        try:
            return Weights(
                _joined(digests.sha256(path), source.companions, settings, digests),
                checkpoints.is_phantom(path),
                texts=_joined("", source.text_files, settings, digests) or None,
            )
        except OSError as error:
            return Weights(error=CheckpointError(f"{path} cannot be read: {error.strerror}"))
    if source.hub is not None and f"{choice.id}" not in settings.checkpoint_overrides:
        return Weights(f"hub:{source.hub}", texts=_joined("", source.text_files, settings, digests) or None)
    return Weights(error=_missing_checkpoint(choice, source, str(path)))


def _joined(identity: str, names: Sequence[str], settings: Settings, digests: DigestCache) -> str:
    """``identity``, or a digest of it and of the files of these names that are there."""
    paths = [settings.checkpoints / name for name in names]
    found = [f"{path.name} {digests.sha256(path)}" for path in paths if path.is_file()]
    return hashlib.sha256("\n".join([identity, *found]).encode()).hexdigest() if found else identity


class _Planner:
    """Looks each dataset and each checkpoint up once."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self.registry = registry
        self.settings = settings
        self.store = ResultStore(settings.results)
        self.digests = DigestCache(settings.cache / "digests.json")
        self.datasets: dict[str, DatasetFiles] = {}
        self.manifests: dict[str, ManifestInfo | None] = {}
        self.phantoms: dict[str, bool] = {}
        self._installed: dict[str, bool] = {}
        self._kept: dict[tuple[str, str], frozenset[str]] = {}
        self.weights: dict[str, Weights] = {}
        self._past: dict[tuple[object, ...], list[tuple[float, int]]] | None = None

    def place(self, trial: Trial) -> PlannedTrial:
        """The state of a trial."""
        offered = trial.choice.variant.capabilities
        if trial.task.needs(offered) is None:
            ways = [", ".join(sorted(way - offered)) for way in (trial.task.capabilities, *trial.task.alternatives)]
            reason = f"{trial.choice.id} has no {', nor '.join(ways)}"
            return PlannedTrial(trial=trial, state="not-applicable", reason=reason)
        if self.settings.precision not in trial.choice.spec.precisions:
            possible = " or ".join(trial.choice.spec.precisions)
            return PlannedTrial(
                trial=trial,
                state="not-applicable",
                reason=f"{trial.choice.id} does not run in {self.settings.precision}, --precision {possible}",
            )
        wanted = dict.fromkeys((*trial.task.requires, *trial.recipe.requires))
        absent = [module for module in wanted if not self._is_installed(module)]
        if absent:
            compiled = any(module.startswith("mm") for module in absent)
            error: MedbenchError = PluginError(
                f"{trial.task.id} ({trial.recipe_name}) needs {', '.join(absent)}",
                fix="pip install 'medbench[mm]' (README, Install elsewhere)"
                if compiled
                else f"pip install {' '.join(absent)}",
            )
            return PlannedTrial(trial=trial, state="blocked", reason=str(error), error=error)
        try:
            self._dataset(trial.task)
        except MedbenchError as missing:
            return PlannedTrial(trial=trial, state="blocked", reason=str(missing), error=missing)
        weights = self._weights(trial.choice)
        if weights.error is not None:
            return PlannedTrial(trial=trial, state="blocked", reason=str(weights.error), error=weights.error)
        return self._with_key(trial, weights)

    def _with_key(self, trial: Trial, weights: Weights) -> PlannedTrial:
        info = self.manifests[trial.task.dataset]
        phantom = weights.phantom or self.phantoms[trial.task.dataset]
        seconds, size = self._estimate(trial)
        key = None
        state: State = "ready"
        reason = "" if info is not None else f"{trial.task.dataset} will be prepared first"
        if info is not None:
            key = trial_key(
                trial,
                checkpoint=weights.identity,
                manifest=info.sha256,
                precision=self.settings.precision,
                texts=weights.texts,
            )
            try:
                if self._is_kept(trial, key) and self.store.exists(trial.task.id, trial.choice.id, key):
                    state = "done"
            except NewerRecordError as error:
                return PlannedTrial(trial=trial, state="blocked", reason=str(error), error=error)
        return PlannedTrial(
            trial=trial,
            state=state,
            reason=reason,
            key=key,
            checkpoint=weights.identity,
            texts=weights.texts,
            phantom=phantom,
            estimate_s=seconds,
            estimate_bytes=size,
        )

    def _dataset(self, task: TaskSpec) -> None:
        """Raises `MissingDataError` where it is not there or incomplete, or was prepared without a part that the task needs."""
        name = task.dataset
        if name not in self.datasets:
            files = locate(self.registry.dataset(name), self.settings)
            self.datasets[name] = files
            self.manifests[name] = files.info() if files.present else None
            self.phantoms[name] = files.phantom
        info = self.manifests[name]
        if info is None:
            self.datasets[name].require()
        else:
            require_parts(info, task.split, (part for part in PARTS if part in task.parts))

    def _is_installed(self, module: str) -> bool:
        if module not in self._installed:
            self._installed[module] = importlib.util.find_spec(module) is not None
        return self._installed[module]

    def _is_kept(self, trial: Trial, key: str) -> bool:
        """Whether anything lies under that key: ten thousand trials are looked for in a few folders, not in as many files."""
        place = trial.task.id, trial.choice.id
        if place not in self._kept:
            self._kept[place] = self.store.names(*place)
        return key in self._kept[place]

    def _weights(self, choice: MethodChoice) -> Weights:
        if choice.id not in self.weights:
            self.weights[choice.id] = find_weights(choice, self.settings, self.digests)
        return self.weights[choice.id]

    def _estimate(self, trial: Trial) -> tuple[float | None, int | None]:
        if self._past is None:
            self._past = {}
            for record in self.store.read_all().records:
                path = self.store.path(record.task, record.method_id, record.key)
                size = sum(one.stat().st_size for one in (path, path.with_suffix(".parquet")) if one.is_file())
                like = (record.task, record.method_id, record.recipe_label, record.fraction, record.manifest_sha256)
                self._past.setdefault(like, []).append((record.provenance.duration_s, size))
        info = self.manifests[trial.task.dataset]
        same = (trial.task.id, trial.choice.id, trial.recipe_label, trial.fraction, info.sha256 if info else None)
        past = self._past.get(same)
        if not past:
            return None, None
        return statistics.median(one[0] for one in past), int(statistics.median(one[1] for one in past))


def _trials(request: Request, registry: Registry, checkpoints: Path) -> Iterator[Trial]:
    tasks = select_tasks(request.tasks, registry)
    choices = select_methods(request.methods, registry, checkpoints)
    _check_numbers(request)
    with_recipe = [task for task in tasks if request.recipe in task.recipes]
    if not with_recipe:
        tasks[0].recipe(request.recipe)
    _check_overrides(request.overrides, [task.recipe(request.recipe) for task in with_recipe])
    for task in with_recipe:
        for choice in choices:
            for fraction in request.fractions if task.trains else (1.0,):
                yield from _seeded(request, task, choice, fraction)


def _seeded(request: Request, task: TaskSpec, choice: MethodChoice, fraction: float) -> Iterator[Trial]:
    preset = task.recipe(request.recipe)
    overrides = {name: value for name, value in request.overrides.items() if hasattr(preset, name)}
    recipe = resolve_recipe(preset, fraction, overrides, choice.id)
    plain = resolve_recipe(preset, fraction, {}, choice.id)
    changed = {name: getattr(recipe, name) for name in overrides if getattr(recipe, name) != getattr(plain, name)}
    for seed in request.seeds if request.seeds is not None else recipe.seeds:
        yield Trial(choice, task, request.recipe, recipe, changed, fraction, seed)


def _check_numbers(request: Request) -> None:
    if not request.fractions:
        raise UsageError("no fraction named", fix="--fractions 1")
    for fraction in request.fractions:
        if not 0 < fraction <= 1:
            raise UsageError(f"the fraction {fraction:g} is outside (0, 1]")
    for seed in request.seeds or ():
        if not 0 <= seed < 2**32:
            raise UsageError(f"the seed {seed} is outside 0..2^32-1")


def _check_overrides(overrides: Mapping[str, Any], presets: Sequence[Recipe]) -> None:
    """A field is changed in every recipe that has it; one that none has is refused."""
    known = {one.name for preset in presets for one in dataclasses.fields(preset)} - SUGGESTIONS
    for name in overrides:
        if name not in known:
            raise UnknownNameError("recipe field", name, known)


def _missing_checkpoint(choice: MethodChoice, source: CheckpointSource, path: str) -> MissingCheckpointError:
    where = f"download it from {source.url}, then " if source.url else ""
    return MissingCheckpointError(
        f"no checkpoint for {choice.id} at {path}",
        fix=f'{where}put it there or set [checkpoints] "{choice.id}" in medbench.toml',
    )
