"""What a plugin says of a method, a dataset or a task: plain data, importable without torch or numpy.

The heavy part of each is an import string (``"package.module:attribute"``), resolved only when a trial needs it.
Every spec checks itself when it is made, so a plugin author sees the mistake at import.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from medbench.errors import PluginError, UnknownNameError

_ID = re.compile(r"[a-z0-9][a-z0-9._-]*\Z")
_IMPORT_STRING = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")
_EMPTY: Mapping[str, Any] = MappingProxyType({})

Part = Literal["train", "valid", "test"]
PARTS: tuple[Part, ...] = ("train", "valid", "test")

CAPABILITIES = frozenset(
    {
        "ImageEncoder",
        "DenseImageEncoder",
        "TextEncoder",
        "ImageTextMatcher",
        "StudyEncoder",
        "QueryClassifier",
        "Grounder",
        "ReportGenerator",
        "QuestionAnswerer",
        "Explainer",
    }
)
READS_TEXTS = frozenset(
    {
        "TextEncoder",
        "ImageTextMatcher",
        "QueryClassifier",
        "Grounder",
        "ReportGenerator",
        "QuestionAnswerer",
        "Explainer",
    }
)
"""Capabilities whose answers depend on a method's text files."""
SUPERVISIONS = frozenset({"labels", "boxes", "masks", "reports", "captions", "questions", "pairs"})


def check_id(kind: str, value: object) -> None:
    """Raise `PluginError` unless ``value`` is a lower-case id of letters, digits, '.', '_' and '-'."""
    if not isinstance(value, str) or not _ID.match(value):
        raise PluginError(f"bad {kind} id {value!r}: use lower-case letters, digits, '.', '_' and '-'")


def _check_import_string(owner: str, value: str) -> None:
    if not _IMPORT_STRING.match(value):
        raise PluginError(f"{owner}: '{value}' is not an import string of the form 'package.module:attribute'")


def _check_pretraining(owner: str, declared: tuple[str, ...] | None) -> None:
    for entry in declared or ():
        dataset, colon, part = entry.partition(":")
        check_id(f"dataset in pretrained_on of {owner}", dataset)
        if colon and part not in PARTS:
            raise PluginError(f"{owner}: pretrained_on has '{entry}', parts are {', '.join(PARTS)}")


@dataclass(frozen=True, kw_only=True)
class CheckpointSource:
    """Where a variant's weights come from.

    ``filename`` is relative to the checkpoints root (``mgca/resnet_50.ckpt``). ``url`` is the page a person downloads it
    from. ``hub`` names weights that a library fetches by itself when the file is absent (a timm or hub id). ``companions`` are
    further files under the checkpoints root that belong to the weights where they are there (a configuration): their
    digests join that of the weights. ``text_files`` move only what reads texts (a vocabulary, a book of prompts).
    """

    filename: str
    url: str = ""
    hub: str | None = None
    companions: tuple[str, ...] = ()
    text_files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MethodVariant:
    """One set of weights of a method, e.g. ``resnet50``; ``checkpoint=None`` means that it is drawn from the trial's seed.

    ``name`` is for open families: the model's own name, of which the id is the short form that may stand in a path.
    ``pretrained_on`` is as that of the method, where this variant has seen other data; None means the method's.
    """

    id: str
    title: str
    checkpoint: CheckpointSource | None
    capabilities: frozenset[str]
    name: str = ""
    pretrained_on: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_id("variant", self.id)
        _check_pretraining(f"variant '{self.id}'", self.pretrained_on)
        unknown = self.capabilities - CAPABILITIES
        if unknown:
            raise PluginError(f"variant '{self.id}': unknown capability {', '.join(sorted(unknown))}")


@dataclass(frozen=True, kw_only=True)
class MethodSpec:
    """A pretrained model under evaluation.

    ``variants[0]`` is what the bare id selects. ``pretrained_on`` lists dataset ids, or is None where the authors do
    not say; ``mimic-cxr:train`` means that part of the dataset's first split alone. Leaderboards mark contaminated cells by
    it (`medbench.contamination`). ``version`` rises when a change moves the features.
    ``loader`` resolves to ``load(request: LoadRequest) -> model`` and ``phantom`` to
    ``write_phantom(folder: Path, seed: int) -> list[Path]`` (the checkpoint files written, in official form).

    An open family (``timm``, ``hf``) has no fixed variants: ``open_variants`` resolves to
    ``variant(name: str, checkpoints: Path) -> MethodVariant`` and makes one of whatever stands behind the slash in
    ``timm/<name>``, without loading torch. ``variants`` are then examples, and may be empty.

    ``precisions`` are those that its encoders may be run in (`medbench.settings.PRECISIONS`).
    """

    id: str
    title: str
    summary: str
    variants: tuple[MethodVariant, ...]
    loader: str
    licence: str
    citation: str = ""
    code_url: str = ""
    paper_url: str = ""
    pretrained_on: tuple[str, ...] | None = None
    phantom: str | None = None
    open_variants: str | None = None
    precisions: tuple[str, ...] = ("fp32", "bf16", "fp16")
    tags: tuple[str, ...] = ()
    version: int = 1

    def __post_init__(self) -> None:
        check_id("method", self.id)
        _check_import_string(f"method '{self.id}'", self.loader)
        for heavy in (self.phantom, self.open_variants):
            if heavy is not None:
                _check_import_string(f"method '{self.id}'", heavy)
        _check_pretraining(f"method '{self.id}'", self.pretrained_on)
        if not self.variants and self.open_variants is None:
            raise PluginError(f"method '{self.id}': at least one variant is needed")
        names = [variant.id for variant in self.variants]
        if len(set(names)) != len(names):
            raise PluginError(f"method '{self.id}': two variants share an id")

    def seen_by(self, variant: str) -> tuple[str, ...] | None:
        """The data that a variant is declared to have been pretrained on; None where nobody says."""
        own = next((one.pretrained_on for one in self.variants if one.id == variant), None)
        return self.pretrained_on if own is None else own

    def variant(self, name: str | None) -> MethodVariant:
        """The variant of that id; the first one for None. Raises `UnknownNameError`."""
        if name is None and self.variants:
            return self.variants[0]
        for variant in self.variants:
            if variant.id == name:
                return variant
        raise UnknownNameError(f"variant of {self.id}", name or "", (variant.id for variant in self.variants))


@dataclass(frozen=True, kw_only=True)
class ExpectedFile:
    """A file or folder of a dataset's official layout, relative to its root."""

    path: str
    purpose: str
    kind: Literal["file", "folder"] = "file"
    required: bool = True


@dataclass(frozen=True, kw_only=True)
class SplitSpec:
    """A published division into parts; ``sizes`` are the official counts (empty where none was published).

    ``shares_patients``: the rule knowingly puts images of one patient into several parts.
    """

    name: str
    rule: str
    source: str
    sizes: Mapping[str, int] = field(default_factory=lambda: _EMPTY)
    shares_patients: bool = False

    def __post_init__(self) -> None:
        check_id("split", self.name)


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """One public dataset, read from its official raw layout.

    ``reader`` resolves to ``read(root: Path) -> RawDataset`` and ``phantom`` to
    ``write_phantom(root: Path, size: PhantomSize) -> None`` (the official raw form). ``splits[0]`` is the default.
    ``label_names`` are the findings that `Sample.labels` speaks of, ``box_names`` the classes of boxes, in the
    order of their indices; ``label_values`` are what the numbers in `Sample.labels` mean. A reader may give other label
    names (`RawDataset.label_names`) where only the files tell. Images are read as grey unless the dataset is in ``colour``.
    ``images_from`` are ids of datasets (supported or not) whose images it holds: who was pretrained on these has seen them;
    None where nobody can say (a user's own folder).
    ``pixel_side``: images whose shorter side is longer are prepared at that side unless the user wants another; None keeps
    every pixel. It is for data of millions of large pixels an image, and twice the largest input of any encoder at least.
    ``version`` rises when a change of the reader moves numbers.
    """

    id: str
    title: str
    modality: str
    access: Literal["open", "registration", "credentialed"]
    licence: str
    url: str
    files: tuple[ExpectedFile, ...]
    supervision: frozenset[str]
    label_names: tuple[str, ...]
    splits: tuple[SplitSpec, ...]
    reader: str
    box_names: tuple[str, ...] = ()
    label_values: tuple[str, ...] = ("absent", "present")
    colour: bool = False
    pixel_side: int | None = None
    images_from: tuple[str, ...] | None = ()
    citation: str = ""
    phantom: str | None = None
    tags: tuple[str, ...] = ()
    version: int = 1

    def __post_init__(self) -> None:
        check_id("dataset", self.id)
        _check_import_string(f"dataset '{self.id}'", self.reader)
        if self.phantom is not None:
            _check_import_string(f"dataset '{self.id}'", self.phantom)
        unknown = self.supervision - SUPERVISIONS
        if unknown:
            raise PluginError(f"dataset '{self.id}': unknown supervision {', '.join(sorted(unknown))}")
        for source in self.images_from or ():
            check_id(f"dataset in images_from of '{self.id}'", source)
        if not self.splits:
            raise PluginError(f"dataset '{self.id}': at least one split is needed")
        if "boxes" in self.supervision and not self.box_names:
            raise PluginError(f"dataset '{self.id}': it has boxes but names no class of them (box_names)")

    def split(self, name: str) -> SplitSpec:
        """The split of that name. Raises `UnknownNameError`."""
        for split in self.splits:
            if split.name == name:
                return split
        raise UnknownNameError(f"split of {self.id}", name, (split.name for split in self.splits))


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
        _check_import_string(f"task '{self.id}'", self.loader)
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
