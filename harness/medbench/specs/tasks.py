"""What a plugin says of a task, its metrics and its recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from medbench.errors import PluginError, UnknownNameError
from medbench.specs.words import CAPABILITIES, PARTS, Part, check_id, check_import_string


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """A number that a task reports. ``as_released`` marks one that reproduces a published script rather than sound practice.

    A share of 1 is shown in ``percent``; a ``plain`` number (a rank, a count) as it is. ``largest`` is the most that it can be,
    as records hold it, where that is not 1 (a sum of six recalls: 6); of a plain number nothing is held.
    """

    name: str
    title: str
    higher_is_better: bool = True
    as_released: bool = False
    unit: Literal["percent", "plain"] = "percent"
    largest: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Base of every recipe: the hyper-parameters of a protocol, all of which enter a trial's key.

    ``seeds`` are those used when the user names none. ``fraction_overrides`` gives fields that the published protocol
    changes at a data fraction: ``((0.01, (("lr", 2e-4), ("batch_size", 8))), ...)``; ``method_settings`` likewise those that
    it sets for a method, by ``id@variant`` or by id. ``requires`` names the modules of optional libraries that it needs
    beside the task's.
    """

    seeds: tuple[int, ...] = (0,)
    fraction_overrides: tuple[tuple[float, tuple[tuple[str, Any], ...]], ...] = ()
    method_settings: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...] = ()
    requires: tuple[str, ...] = ()


RecipeT = TypeVar("RecipeT", bound=Recipe)


@dataclass(frozen=True, kw_only=True)
class ReportedResult:
    """A figure that a paper prints, with the table it stands in. Never one from memory.

    ``method`` is ``id@variant`` where a registered method is meant, else the name that the paper prints. ``metric`` is one of
    the task's, or one that it does not compute: then ``metric_title`` says what it is, and the figure has a column of its own.
    ``value`` and ``deviation`` are in the metric's unit as records hold it (a share of 1, not percent). ``note`` says why a
    figure is degenerate or not to be compared; only a ``comparable`` one is set off against ours. ``source`` names the work
    with its version and the table.
    """

    method: str
    metric: str
    value: float
    fraction: float
    recipe: str
    source: str
    deviation: float | None = None
    note: str = ""
    comparable: bool = True
    metric_title: str = ""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a classification task asks of each sample.

    ``kind``: ``multi-label`` asks each of ``labels`` on its own (binary is one label), ``multi-class`` which single one of
    them holds, ``auto`` decides by the data: ``multi-class`` where every sample has exactly one of several labels.
    ``labels`` are label names of the dataset in the order of the scores; empty means all of them.
    """

    kind: Literal["multi-label", "multi-class", "auto"]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """Dataset x protocol x recipe, with the metric that ranks.

    A method needs all of ``capabilities``, or all of one of ``alternatives``. ``metrics[0]`` ranks. ``recipes`` must hold
    ``standard``. ``loader`` resolves to an object with the methods of `medbench.protocols.TaskProtocol`. ``parts`` are
    those of the split that must not be empty; a task that ``trains`` nothing is run once, whatever fractions of the training
    part are asked for. ``reads_texts`` says that a method's text files move its numbers by whatever capability it is run;
    without it they do where that capability reads texts. ``requires`` names the modules of optional libraries that it needs.
    ``distributed`` says that several processes can share its training. ``version`` rises when a change moves numbers; cells
    of an older version are set aside.
    """

    id: str
    title: str
    dataset: str
    split: str
    protocol: str
    capabilities: frozenset[str]
    metrics: tuple[MetricSpec, ...]
    recipes: Mapping[str, Recipe]
    loader: str
    target: Target | None = None
    alternatives: tuple[frozenset[str], ...] = ()
    parts: tuple[Part, ...] = PARTS
    trains: bool = True
    distributed: bool = False
    reads_texts: bool = False
    requires: tuple[str, ...] = ()
    reported: tuple[ReportedResult, ...] = ()
    tags: tuple[str, ...] = ()
    version: int = 1

    def __post_init__(self) -> None:
        check_id("task", self.id)
        check_import_string(f"task '{self.id}'", self.loader)
        unknown = frozenset().union(self.capabilities, *self.alternatives) - CAPABILITIES
        if unknown:
            raise PluginError(f"task '{self.id}': unknown capability {', '.join(sorted(unknown))}")
        if not set(self.parts) <= set(PARTS) or "test" not in self.parts:
            raise PluginError(f"task '{self.id}': its parts are some of {', '.join(PARTS)}, test among them")
        if not self.metrics:
            raise PluginError(f"task '{self.id}': at least one metric is needed, the first ranks")
        if "standard" not in self.recipes:
            raise PluginError(f"task '{self.id}': no recipe 'standard'")
        object.__setattr__(self, "recipes", MappingProxyType(dict(self.recipes)))

    @property
    def ranking_metric(self) -> MetricSpec:
        return self.metrics[0]

    def needs(self, offered: frozenset[str]) -> frozenset[str] | None:
        """The first set of capabilities that ``offered`` satisfies, or None."""
        return next((needed for needed in (self.capabilities, *self.alternatives) if needed <= offered), None)

    def recipe(self, name: str) -> Recipe:
        """The preset of that name. Raises `UnknownNameError`."""
        if name not in self.recipes:
            raise UnknownNameError(f"recipe of {self.id}", name, self.recipes)
        return self.recipes[name]
