"""Everything that plugins offer, gathered from the entry-point group ``medbench``.

Each entry point is loaded in its own try: a plugin that fails to import, or that hands over a bad spec, is kept with its
reason and everything else goes on. An id that two plugins claim belongs to neither until one of them is uninstalled:
guessing would change what a name in a leaderboard means. A method that stands for a model which another one
stands for already is refused.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import pluggy

from medbench import hookspecs
from medbench.errors import PluginError, UnknownNameError
from medbench.specs import DatasetSpec, MethodSpec, MethodVariant, TaskSpec

GROUP = "medbench"
HOOKS = frozenset(name for name in vars(hookspecs) if name.startswith("medbench_"))

KINDS = ("method", "dataset", "task", "tracker")

SpecT = TypeVar("SpecT", MethodSpec, DatasetSpec, TaskSpec)


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point: where it comes from, what it offers, and what is wrong with it (one line each)."""

    name: str
    module: str
    distribution: str
    version: str
    offers: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """``ok``, ``partly`` (some specs refused) or ``broken`` (nothing usable)."""
        if not self.problems:
            return "ok"
        return "partly" if self.offers else "broken"

    @property
    def label(self) -> str:
        return f"{self.name} ({self.distribution} {self.version})"


@dataclass(frozen=True, slots=True)
class Listener:
    """A plugin's implementation of a life-cycle hook; ``tracker`` is its name where the plugin is a tracker, else None."""

    label: str
    tracker: str | None
    arguments: tuple[str, ...]
    function: Callable[..., object]

    def call(self, **offered: Any) -> None:
        """Call it with those of the arguments that it asks for."""
        self.function(**{name: offered[name] for name in self.arguments})


@dataclass(slots=True)
class _Loading:
    entry_point: importlib.metadata.EntryPoint
    plugin: Any = None
    offers: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        return f"{self.entry_point.name} ({_distribution(self.entry_point)[0]})"

    def freeze(self) -> Plugin:
        distribution, version = _distribution(self.entry_point)
        point = self.entry_point
        offers = sorted(self.offers, key=lambda offer: KINDS.index(offer.partition(" ")[0]))
        return Plugin(point.name, point.value, distribution, version, tuple(offers), tuple(self.problems))


class Catalogue(Generic[SpecT]):
    """The specs of one kind, by id, and the ids that are contested."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._specs: dict[str, SpecT] = {}
        self._owners: dict[str, list[_Loading]] = {}

    def offer(self, spec: SpecT, owner: _Loading) -> None:
        """Take a spec in; a second owner of an id makes it contested."""
        owners = self._owners.setdefault(spec.id, [])
        owners.append(owner)
        if len(owners) == 1:
            self._specs[spec.id] = spec
            owner.offers.append(f"{self.kind} {spec.id}")
            return
        self._specs.pop(spec.id, None)
        for one in owners:
            others = " and ".join(sorted({other.label for other in owners if other is not one})) or one.label
            problem = f"{self.kind} id '{spec.id}' is also claimed by {others}"
            if f"{self.kind} {spec.id}" in one.offers:
                one.offers.remove(f"{self.kind} {spec.id}")
            if problem not in one.problems:
                one.problems.append(problem)

    @property
    def specs(self) -> Mapping[str, SpecT]:
        """Uncontested specs, sorted by id."""
        return MappingProxyType(dict(sorted(self._specs.items())))

    def get(self, name: str) -> SpecT:
        """The spec of that id. Raises `PluginError` where it is contested and `UnknownNameError` where nobody has it."""
        if name in self._specs:
            return self._specs[name]
        if name in self._owners:
            owners = " and ".join(owner.label for owner in self._owners[name])
            raise PluginError(f"{self.kind} '{name}' is claimed by {owners}", fix="uninstall one of them")
        raise UnknownNameError(self.kind, name, self._specs)


class Registry:
    """All plugins and what they offer. Make one with `Registry.load`.

    Plugins are imported at once. Their specs of a kind are asked for when that kind is first looked at.
    """

    def __init__(self, entry_points: Iterable[importlib.metadata.EntryPoint]) -> None:
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._methods: Catalogue[MethodSpec] = Catalogue("method")
        self._datasets: Catalogue[DatasetSpec] = Catalogue("dataset")
        self._tasks: Catalogue[TaskSpec] = Catalogue("task")
        self._standing: dict[str, tuple[MethodSpec, MethodVariant]] = {}
        self._trackers: dict[int, str] = {}
        self._asked: set[str] = set()
        self._loadings = [
            self._load(point) for point in sorted(entry_points, key=lambda point: (point.name, point.value))
        ]

    @classmethod
    def load(cls) -> Registry:
        """The registry of everything installed in this environment."""
        return cls(importlib.metadata.entry_points(group=GROUP))

    @property
    def methods(self) -> Mapping[str, MethodSpec]:
        return self._asked_methods().specs

    @property
    def datasets(self) -> Mapping[str, DatasetSpec]:
        return self._asked_datasets().specs

    @property
    def tasks(self) -> Mapping[str, TaskSpec]:
        return self._asked_tasks().specs

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        for ask in (self._asked_methods, self._asked_datasets, self._asked_tasks):
            ask()
        return self.looked_at

    @property
    def looked_at(self) -> tuple[Plugin, ...]:
        """The plugins with what is known of them so far: of kinds that nobody asked for, nothing."""
        return tuple(loading.freeze() for loading in self._loadings)

    def method(self, name: str) -> MethodSpec:
        """See `Catalogue.get`."""
        return self._asked_methods().get(name)

    def standing_for(self, model: str) -> tuple[MethodSpec, MethodVariant] | None:
        """The method and variant that a model of an open family (``hf/microsoft/rad-dino``) has a name of its own by."""
        known = self._asked_methods().specs
        found = self._standing.get(model)
        return found if found is not None and found[0].id in known else None

    def dataset(self, name: str) -> DatasetSpec:
        """See `Catalogue.get`."""
        return self._asked_datasets().get(name)

    def task(self, name: str) -> TaskSpec:
        """See `Catalogue.get`."""
        return self._asked_tasks().get(name)

    def listeners(self, hook: str) -> tuple[Listener, ...]:
        """Who implements a life-cycle hook, sorted by plugin."""
        implementations = getattr(self._manager.hook, hook).get_hookimpls()
        found = [
            Listener(
                implementation.plugin_name,
                self._trackers.get(id(implementation.plugin)),
                tuple(implementation.argnames),
                implementation.function,
            )
            for implementation in implementations
        ]
        return tuple(sorted(found, key=lambda listener: listener.label))

    def _load(self, point: importlib.metadata.EntryPoint) -> _Loading:
        loading = _Loading(point)
        try:
            loading.plugin = point.load()
            self._manager.register(loading.plugin, name=f"{point.name} [{_distribution(point)[0]}]")
        except (Exception, SystemExit) as error:  # a plugin may raise anything at import, or end the process
            loading.problems.append(_one_line(error))
            return loading
        loading.problems.extend(_misspelt_hooks(loading.plugin))
        if any(one.plugin is loading.plugin for one in self._manager.hook.medbench_tracker_ready.get_hookimpls()):
            self._trackers[id(loading.plugin)] = point.name
            loading.offers.append(f"tracker {point.name}")
        return loading

    def _asked_methods(self) -> Catalogue[MethodSpec]:
        return self._ask("medbench_methods", MethodSpec, self._methods)

    def _asked_datasets(self) -> Catalogue[DatasetSpec]:
        return self._ask("medbench_datasets", DatasetSpec, self._datasets)

    def _asked_tasks(self) -> Catalogue[TaskSpec]:
        return self._ask("medbench_tasks", TaskSpec, self._tasks)

    def _ask(self, hook: str, kind: type[SpecT], catalogue: Catalogue[SpecT]) -> Catalogue[SpecT]:
        if hook not in self._asked:
            self._asked.add(hook)
            for loading in self._loadings:
                self._collect(loading, hook, kind, catalogue)
        return catalogue

    def _collect(self, loading: _Loading, hook: str, kind: type[SpecT], catalogue: Catalogue[SpecT]) -> None:
        implementations = getattr(self._manager.hook, hook).get_hookimpls()
        for implementation in implementations:
            if implementation.plugin is not loading.plugin:
                continue
            try:
                for spec in implementation.function():
                    taken = self._standing_taken(spec)
                    if taken:
                        loading.problems.append(taken)
                    elif isinstance(spec, kind):
                        catalogue.offer(spec, loading)
                    else:
                        loading.problems.append(f"{hook} gave a {type(spec).__name__}, not a {kind.__name__}")
            except (Exception, SystemExit) as error:  # a generator hook may raise half-way
                loading.problems.append(f"{hook}: {_one_line(error)}")

    def _standing_taken(self, spec: object) -> str | None:
        """What is wrong with a method that stands for a model of another; None where it now stands for all of its own."""
        if not isinstance(spec, MethodSpec):
            return None
        own: dict[str, tuple[MethodSpec, MethodVariant]] = {}
        for variant in spec.variants:
            model = variant.stands_for
            first = own.get(model) or self._standing.get(model)
            if first is not None and (first[0].id, first[1].id) != (spec.id, variant.id):
                return f"method '{spec.id}': '{variant.id}' stands for {model}, as {first[0].id}@{first[1].id} does"
            if model:
                own[model] = (spec, variant)
        self._standing |= own
        return None


def _distribution(point: importlib.metadata.EntryPoint) -> tuple[str, str]:
    dist = point.dist
    return (dist.name, dist.version) if dist is not None else ("unknown", "0")


def _misspelt_hooks(plugin: object) -> list[str]:
    """Functions marked as hooks under names that are none; pluggy would pass over them in silence."""
    marked = [name for name in dir(plugin) if hasattr(getattr(plugin, name, None), "medbench_impl")]
    return [f"'{name}' is marked as a hook, but there is none of that name" for name in marked if name not in HOOKS]


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
