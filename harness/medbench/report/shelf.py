"""The datasets as they lie on this machine, and whether what they hold may be put into a file that is handed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from medbench.datasets import locate
from medbench.errors import MedbenchError
from medbench.records import Record
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
    """The datasets under these settings, each looked at once, when it is first asked for."""

    datasets: Mapping[str, DatasetSpec]
    settings: Settings
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

        Generated data always may, but only the data themselves tell: a record is also marked as phantom when it is of
        generated weights on real data.
        """
        spec = self.datasets.get(record.dataset)
        own = spec is not None and OWN in spec.tags
        if spec is not None and spec.access == "open" and not own:
            return ""
        manifest = self.holding(record).manifest
        if manifest is not None and manifest.phantom:
            return ""
        if spec is None:
            return "no installed plugin says whether its data may be handed on"
        return "its data are the user's own" if own else f"its data may not be handed on (access: {spec.access})"

    def box_name(self, record: Record, label: int) -> str:
        """The dataset's name for that class of boxes, '' where it has none."""
        spec = self.datasets.get(record.dataset)
        names = spec.box_names if spec is not None else ()
        return names[label] if 0 <= label < len(names) else ""

    def _look(self, name: str) -> Holding:
        spec = self.datasets.get(name)
        if spec is None:
            return Holding(None, "no installed plugin has this dataset")
        files = locate(spec, self.settings)
        if not files.root.is_dir():
            return Holding(None, "the data are not on this machine")
        info = files.info()
        if info is None:
            return Holding(None, f"the data are not prepared (medbench data prepare {name})")
        from medbench.preparation import load

        try:
            return Holding(load(files, info))
        except MedbenchError as error:
            return Holding(None, str(error))
