"""A tracker's own table in ``medbench.toml``: its texts, and the places that they name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medbench.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from medbench.settings import Settings


def read_options(settings: Settings, tracker: str, known: Sequence[str]) -> dict[str, str]:
    """The tracker's options that are set. Raises `UsageError` for a key that is not among ``known``, or that is no text."""
    options = {}
    for key, value in settings.trackers[tracker].items():
        if key not in known:
            raise UnknownNameError(f"key in [trackers.{tracker}]", key, known)
        if not isinstance(value, str) or not value.strip():
            raise UsageError(f"[trackers.{tracker}] {key} is {value!r}, a text is needed")
        options[key] = value
    return options


def place(settings: Settings, text: str) -> Path:
    """The path that ``text`` means: as all paths in the file, relative to the file."""
    path = Path(text).expanduser()
    return path if settings.source is None else settings.source.parent / path
