"""Names that occur twice in a table."""

from __future__ import annotations

from typing import NamedTuple


class Complaint(NamedTuple):
    """Why a row cannot become a sample: the kind of the problem (see `medbench.samples.Problem`) and a sentence."""

    kind: str
    detail: str


class SeenNames:
    """The file names that a reader has taken so far, and how often one came again (``repeats``).

    Names that differ by case alone are two: whether they collide is the audit's to say.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()
        self.repeats = 0

    def take(self, name: str) -> Complaint | None:
        """Remember ``name``, or say, as ``duplicate-row``, that it was there already."""
        if name not in self._names:
            self._names.add(name)
            return None
        self.repeats += 1
        return Complaint("duplicate-row", f"a row before this one names '{name}' too")
