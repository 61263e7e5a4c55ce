"""What can be known of a dataset without reading it: its folder, which expected files are there, whether it was prepared.

Imports neither pyarrow nor numpy, so that ``plan`` and ``data status`` stay light. `medbench.preparation` does the work.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from medbench.errors import MissingDataError
from medbench.settings import Settings
from medbench.specs import DatasetSpec, ExpectedFile

PHANTOM_MARK = "PHANTOM.json"
FORMAT = 4
"""Rises when manifests of an older medbench must be prepared again."""


class ProblemGroup(msgspec.Struct, frozen=True):
    """Problems of one kind: how many, and the first few as ``where: detail``."""

    kind: str
    count: int
    examples: list[str]


class LabelCounts(msgspec.Struct, frozen=True):
    """Of one label in one part: how many samples have each value by name, how many are uncertain, how many unknown."""

    label: str
    values: dict[str, int]
    uncertain: int
    unknown: int


class Intensity(msgspec.Struct, frozen=True):
    """The lowest and the highest pixel of a dataset, 0 to 255, and the mean of its images' means."""

    lowest: int
    highest: int
    mean: float


class ManifestInfo(msgspec.Struct, frozen=True):
    """What `medbench.preparation` found, kept as JSON beside the manifest's Parquet.

    ``sha256`` is the content's hash, which enters keys; ``table_sha256`` that of the Parquet file, by which it is checked,
    and ``sources_sha256`` that of the names and contents of its image files (`medbench.pixels.sources.digest_of`).

    ``side`` is what pictures of a longer shorter side are read at (0: none is reduced), ``reduced`` how many are, and
    ``largest`` the longest shorter side of any; older manifests do not say the last.
    """

    format: int
    dataset: str
    dataset_version: int
    signature: str
    sha256: str
    table_sha256: str
    phantom: bool
    samples: int
    expected_samples: int
    parts: dict[str, dict[str, int]]
    problems: list[ProblemGroup]
    label_names: list[str]
    labels: dict[str, list[LabelCounts]]
    intensity: Intensity | None
    side: int = 0
    reduced: int = 0
    largest: int | None = None
    sources_sha256: str = ""


def require_parts(info: ManifestInfo, split: str, parts: Iterable[str]) -> None:
    """Raise `no_part` of the first of these parts of a split that the prepared manifest does not have."""
    for part in parts:
        if not info.parts.get(split, {}).get(part):
            there = sorted(f"{split}/{part}" for split, sizes in info.parts.items() for part in sizes)
            raise no_part(info.dataset, split, part, there)


def no_part(dataset: str, split: str, part: str, there: Sequence[str]) -> MissingDataError:
    """What says that a part of a split has no sample, and which have: ``there``, as ``<split>/<part>``."""
    return MissingDataError(
        f"{dataset} has no readable sample in the {part} part of split '{split}' (there are: {', '.join(there) or 'none'})",
        fix=f"medbench show {dataset} says which files make that split",
    )


@dataclass(frozen=True, slots=True)
class DatasetFiles:
    """A dataset as it lies on this machine.

    ``side`` is that of pixels where the user asks for one, ``keeping`` whether they are kept (`medbench.settings.KEEPING`).
    ``pixels`` is the start of the folders' names (`medbench.pixels.folder_of`) that they are kept in; None keeps none.
    """

    spec: DatasetSpec
    root: Path
    missing: tuple[ExpectedFile, ...]
    info_path: Path
    table_path: Path
    side: int | None = None
    keeping: str = "auto"
    pixels: Path | None = None

    @property
    def present(self) -> bool:
        return not self.missing

    @property
    def sources_path(self) -> Path:
        """Where the image files are listed that the manifest was made from."""
        return self.info_path.with_suffix(".sources")

    @property
    def side_to_prepare(self) -> int:
        """What larger pictures are reduced to: as the user says, else as last time, else as the dataset says; 0: nothing."""
        if self.side is not None:
            return self.side
        before = self._last_info()
        return (self.spec.pixel_side or 0) if before is None else before.side

    @property
    def phantom(self) -> bool:
        return (self.root / PHANTOM_MARK).is_file()

    def require(self) -> None:
        """Raise `MissingDataError`, naming every absent file, unless all are there."""
        if not self.root.is_dir():
            raise MissingDataError(
                f"no data for {self.spec.id}: {self.root} does not exist",
                fix=f"get it from {self.spec.url} and set [data] {self.spec.id} in medbench.toml, or --data",
            )
        if self.missing:
            names = ", ".join(one.path for one in self.missing)
            raise MissingDataError(
                f"{self.spec.id} in {self.root} lacks {names}",
                fix=f"medbench show {self.spec.id} says what belongs there",
            )

    def info(self) -> ManifestInfo | None:
        """What the last preparation found; None without one, where the raw files have changed, or another side is asked for.

        Where the user asks for no side, what was prepared counts, whatever its side.
        """
        info = self._last_info()
        if info is None:
            return None
        fresh = info.format == FORMAT and info.dataset_version == self.spec.version and self.table_path.is_file()
        return info if fresh and self._is_of_side(info) and info.signature == self.signature() else None

    def _last_info(self) -> ManifestInfo | None:
        """What the last preparation found, whatever has changed since."""
        try:
            return msgspec.json.decode(self.info_path.read_bytes(), type=ManifestInfo)
        except (OSError, ValueError, msgspec.MsgspecError):  # a spoilt byte need not even be text
            return None

    def _is_of_side(self, info: ManifestInfo) -> bool:
        """Whether its pictures are those of the side asked for: two sides that reduce nothing are the same."""
        if self.side is None or self.side == info.side:
            return True
        return info.reduced == 0 and info.largest is not None and (not self.side or info.largest <= self.side)

    def signature(self) -> str:
        """Changes when an expected file changes, or a folder at any depth gains or loses an entry; reads no content.

        In folders, files of text (reports, boxes, lists) change it too; images are told by name alone. Links are followed,
        hidden entries do not count, and a dangling link is an entry like another.
        """
        digest = hashlib.sha256(repr(self.phantom).encode())
        for expected in self.spec.files:
            for path in sorted(_matches(self.root, expected)):
                if path.is_dir():
                    for line in _listing(path):
                        digest.update(line.encode(errors="surrogateescape"))
                else:
                    stat = path.stat() if path.exists() else path.lstat()
                    name = str(path.relative_to(self.root))
                    digest.update(repr((name, stat.st_size, stat.st_mtime_ns)).encode())
        return digest.hexdigest()


def _matches(root: Path, expected: ExpectedFile) -> Iterator[Path]:
    """What of ``root`` an expected path names, links followed and hidden entries passed over."""
    names = glob.iglob(expected.path, root_dir=root, recursive=True)  # noqa: PTH207 - Path.glob follows no link below **
    return (root / name for name in names)


_TEXTS = (".csv", ".gz", ".json", ".txt", ".xml")
"""Files inside folders of which there are few enough, or which matter enough, to ask for their size and time."""


def _listing(top: Path) -> Iterator[str]:
    """A line a folder under ``top``: its path and what is in it; a folder reached twice by links is listed once."""
    visited: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(top, followlinks=True):
        place = os.stat(folder)  # noqa: PTH116 - hundreds of thousands of folders
        if (place.st_dev, place.st_ino) in visited:
            folders.clear()
            continue
        visited.add((place.st_dev, place.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names = [_entry(folder, name) for name in sorted(files) if not name.startswith(".")]
        yield repr((os.path.relpath(folder, top), folders, names))


def _entry(folder: str, name: str) -> str | tuple[str, int, int]:
    if not name.lower().endswith(_TEXTS):
        return name
    try:
        found = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118
    except OSError:
        return name
    return name, found.st_size, found.st_mtime_ns


def locate(spec: DatasetSpec, settings: Settings) -> DatasetFiles:
    """Where a dataset lies under these settings, and which of its required files are absent."""
    root = settings.dataset_root(spec.id)
    missing = tuple(one for one in spec.files if one.required and next(_matches(root, one), None) is None)
    place = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]
    name = f"{spec.id}-{place}"
    manifests = settings.cache / "manifests"
    return DatasetFiles(
        spec,
        root,
        missing,
        manifests / f"{name}.json",
        manifests / f"{name}.parquet",
        side=settings.pixel_side,
        keeping=settings.keep_pixels,
        pixels=settings.cache / "pixels" / name,
    )
