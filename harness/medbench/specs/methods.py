"""What a plugin says of a method."""

from __future__ import annotations

from dataclasses import dataclass

from medbench.errors import PluginError, UnknownNameError
from medbench.specs.words import CAPABILITIES, check_id, check_import_string, check_pretraining


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

    ``stands_for`` is a model of an open family, ``hf/microsoft/rad-dino``, that has a name of its own here. The family says
    where its weights are, under which ``name`` and what they can do, and its loader is the method's; what stands here holds
    while they are not there, and ``capabilities`` are the most that is offered. Whoever names the model by its family gets
    this variant.
    """

    id: str
    title: str
    checkpoint: CheckpointSource | None
    capabilities: frozenset[str]
    name: str = ""
    pretrained_on: tuple[str, ...] | None = None
    stands_for: str = ""

    def __post_init__(self) -> None:
        check_id("variant", self.id)
        if self.stands_for and not all(self.stands_for.partition("/")):
            raise PluginError(f"variant '{self.id}': stands_for is '{self.stands_for}', not <family>/<model>")
        check_pretraining(f"variant '{self.id}'", self.pretrained_on)
        unknown = self.capabilities - CAPABILITIES
        if unknown:
            raise PluginError(f"variant '{self.id}': unknown capability {', '.join(sorted(unknown))}")


@dataclass(frozen=True, kw_only=True)
class MethodSpec:
    """A pretrained model under evaluation.

    ``variants[0]`` is what the bare id selects. ``pretrained_on`` lists dataset ids, or is None where the authors do
    not say; ``mimic-cxr:train`` means that part of the dataset's first split alone, and ``undisclosed`` images that nobody
    names, as those of a model that this one starts from. Leaderboards mark contaminated cells by
    it (`medbench.contamination`). ``version`` rises when a change moves the features.
    ``loader`` resolves to ``load(request: LoadRequest) -> model`` and ``phantom`` to
    ``write_phantom(folder: Path, seed: int) -> list[Path]`` (the checkpoint files written, in official form). Where it takes
    ``variants`` too, it draws the default one, or those of the ids that it is given.

    An open family (``timm``, ``hf``) has no fixed variants: ``open_variants`` resolves to
    ``variant(name: str, checkpoints: Path) -> MethodVariant`` and makes one of whatever stands behind the slash in
    ``timm/<name>``, without loading torch. ``variants`` are then examples, and may be empty.

    ``keys`` resolves to ``keys(variant: str, shapes: Mapping[str, Shape]) -> Sequence[medbench.layouts.KeyReading]``: what the
    keys of a file are to a variant, by which ``medbench checkpoint inspect`` tells files apart.

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
    keys: str | None = None
    open_variants: str | None = None
    precisions: tuple[str, ...] = ("fp32", "bf16", "fp16")
    tags: tuple[str, ...] = ()
    version: int = 1

    def __post_init__(self) -> None:
        check_id("method", self.id)
        check_import_string(f"method '{self.id}'", self.loader)
        for heavy in (self.phantom, self.keys, self.open_variants):
            if heavy is not None:
                check_import_string(f"method '{self.id}'", heavy)
        check_pretraining(f"method '{self.id}'", self.pretrained_on)
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
