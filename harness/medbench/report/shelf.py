"""The datasets as they lie on this machine, and whether what they hold may be put into a file that is handed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from medbench.datasets import locate
from medbench.errors import MedbenchError
from medbench.records import Record
from medbench.report.texts import without_places
from medbench.settings import Settings
from medbench.specs import DatasetSpec

if TYPE_CHECKING:
    from medbench.manifest import Manifest, Row


OWN = "own"
"""The tag of datasets that stand for whatever lies on the user's disk, and of which nobody else can say who may see it."""


@dataclass(frozen=True)
class Holding:
    """A dataset's manifest where it is here; without one ``reason`` says why."""

    manifest: Manifest | None
    reason: str = ""

    @cached_property
    def _places(self) -> dict[str, int]:
        return {} if self.manifest is None else {name: at for at, name in enumerate(self.manifest.sample_ids)}

    def row(self, sample_id: str) -> Row | None:
        """The sample of that id, None where there is none."""
        place = self._places.get(sample_id)
        return None if self.manifest is None or place is None else self.manifest.row(place)


@dataclass(slots=True)
class Shelf:
    """The datasets under these settings, each looked at once, when it is first asked for; ``tell`` hears what is damaged."""

    datasets: Mapping[str, DatasetSpec]
    settings: Settings
    tell: Callable[[str], object] = lambda line: None
    _holdings: dict[str, Holding] = field(default_factory=dict)

    def holding(self, record: Record) -> Holding:
        """The very data that the record is of, or none and the reason."""
        found = self._holdings.get(record.dataset)
        if found is None:
            found = self._holdings[record.dataset] = self._look(record.dataset)
        if found.manifest is not None and found.manifest.sha256 != record.manifest_sha256:
            return Holding(None, "the data on this machine are not those of the record")
        return found

    def refusal(self, record: Record) -> str:
        """Why pictures and texts of the record's data may not be embedded; '' where they may.

        Whoever holds images of another dataset is bound as that one is. Generated data always may, but only the data
        themselves tell: a record is also marked as phantom when it is of generated weights on real data.
        """
        reason = self._bound(record.dataset)
        if not reason:
            return ""
        manifest = self.holding(record).manifest
        return "" if manifest is not None and manifest.phantom else reason

    def _bound(self, name: str) -> str:
        """What binds the dataset, itself first, then those whose images it holds; of one not installed nothing is known."""
        if name not in self.datasets:
            return "no installed plugin says whether its data may be handed on"
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            spec = self.datasets.get(one := waiting.pop(0))
            if spec is None or one in seen:
                continue
            seen.add(one)
            if OWN in spec.tags or spec.images_from is None:
                return "its data are the user's own"
            if spec.access != "open":
                whose = "its data" if one == name else f"it holds images of {one}, which"
                return f"{whose} may not be handed on (access: {spec.access})"
            waiting += spec.images_from
        return ""

    def box_name(self, record: Record, label: int) -> str:
        """The dataset's name for that class of boxes, '' where it has none."""
        spec = self.datasets.get(record.dataset)
        names = spec.box_names if spec is not None else ()
        return names[label] if 0 <= label < len(names) else ""

    def says(self, record: Record) -> bool:
        """Whether the texts of the record's data are reports or captions of its images."""
        spec = self.datasets.get(record.dataset)
        return spec is not None and bool(spec.supervision & {"reports", "captions"})

    def _look(self, name: str) -> Holding:
        spec = self.datasets.get(name)
        if spec is None:
            return Holding(None, "no installed plugin has this dataset")
        try:
            return _read(spec, self.settings)
        except OSError as error:
            self.tell(f"{name}: the data cannot be read: {error}")
            return Holding(None, "the data cannot be read")
        except MedbenchError as error:
            self.tell(f"{name}: {error}")
            return Holding(None, without_places(str(error)))


def _read(spec: DatasetSpec, settings: Settings) -> Holding:
    """Raises `MedbenchError` for damaged data, and `OSError` where a folder cannot even be looked into."""
    from medbench.preparation import load

    files = locate(spec, settings)
    if not files.root.is_dir():
        return Holding(None, "the data are not on this machine")
    info = files.info()
    if info is None:
        return Holding(None, f"the data are not prepared (medbench data prepare {spec.id})")
    return Holding(load(files, info))
