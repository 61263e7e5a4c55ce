"""Telling names that a table gives twice, or that only a case-sensitive disk can tell apart."""

from __future__ import annotations

from typing import NamedTuple


class Complaint(NamedTuple):
    """Why a row cannot become a sample: the kind of the problem (see `medbench.samples.Problem`) and a sentence."""

    kind: str
    detail: str


class SeenNames:
    """The file names that a reader has taken so far."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def take(self, name: str) -> Complaint | None:
        """Remember ``name``, or say why it cannot be taken: ``duplicate-row`` or ``colliding-name``."""
        before = self._names.get(name.lower())
        if before is None:
            self._names[name.lower()] = name
            return None
        if before == name:
            return Complaint("duplicate-row", f"a row before this one names '{name}' too")
        return Complaint("colliding-name", f"'{name}' differs from '{before}' by case alone")
