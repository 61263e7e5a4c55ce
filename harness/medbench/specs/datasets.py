"""What a plugin says of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from medbench.errors import PluginError, UnknownNameError
from medbench.specs.words import SUPERVISIONS, check_id, check_import_string

_EMPTY: Mapping[str, Any] = MappingProxyType({})


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
        check_import_string(f"dataset '{self.id}'", self.reader)
        if self.phantom is not None:
            check_import_string(f"dataset '{self.id}'", self.phantom)
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
