"""What lies in the cache: features of encoders, frames of protocols and decoded pixels, to be listed and removed alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

Kind = Literal["features", "frames", "pixels"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One thing that is kept: what it is of (``key``, empty where that cannot be read), bytes, and its last use, a time stamp.

    ``rows`` are the images or texts in it; None where that is not known. ``remove`` deletes it, and raises `StoreError`
    where that is not allowed.
    """

    kind: Kind
    folder: Path
    key: dict[str, Any]
    rows: int | None
    size: int
    used: float
    remove: Callable[[], None] = field(repr=False, compare=False)

    @property
    def method(self) -> str:
        """``method@variant`` of features; '-' of what every method shares."""
        if self.kind != "features":
            return "-"
        model = self.key.get("model", {})
        return f"{model.get('method', '?')}@{model.get('variant', '?')}"

    @property
    def dataset(self) -> str:
        return str(self.key.get("dataset", "-"))

    @property
    def name(self) -> str:
        """In a word or two what is kept."""
        return str(self.key.get("name", "damaged"))

    @property
    def is_readable(self) -> bool:
        """Whether this medbench reads what is in it: of features it loads torch to tell."""
        if self.kind == "features":
            from medbench.features import FORMAT

            return bool(self.key.get("format") == FORMAT)
        if self.kind == "frames":
            from medbench import frame_store

            return bool(self.key.get("format") == frame_store.FORMAT)
        return bool(self.key)

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return self.key | {"kind": self.kind, "rows": self.rows, "bytes": self.size, "used": self.used}


def cache_entries(cache: Path) -> list[CacheEntry]:
    """Everything under the cache's root that can be made again, last used first."""
    found = [*_features(cache), *_frames(cache), *_pixels(cache)]
    return sorted(found, key=lambda entry: (-entry.used, entry.folder.name))


def _features(cache: Path) -> Iterator[CacheEntry]:
    from medbench.feature_store import entries

    for one in entries(cache / "features"):
        yield CacheEntry("features", one.folder, one.key, one.rows, one.size, one.used, one.remove)


def _frames(cache: Path) -> Iterator[CacheEntry]:
    from medbench.frame_store import entries

    for one in entries(cache / "frames"):
        yield CacheEntry("frames", one.folder, one.key, one.rows, one.size, one.used, one.remove)


def _pixels(cache: Path) -> Iterator[CacheEntry]:
    from medbench.pixels import remove, stores

    for one in stores(cache):
        side = one.folder.name.rpartition("-")[2]
        key = {"dataset": one.dataset, "name": side, "root": one.root} if one.dataset else {}
        yield CacheEntry("pixels", one.folder, key, None, one.size, one.used, partial(remove, one.folder))
