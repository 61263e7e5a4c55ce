"""What cost a process time while it read pictures: said once, because nothing else shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medbench.manifest import Manifest


def remarks_on(manifest: Manifest) -> list[str]:
    """A line for each thing that cost this process time, with the command that mends it."""
    hashed = 0 if manifest.sources is None else manifest.sources.hashed
    damaged = 0 if manifest.kept is None else manifest.kept.damaged
    name, found = manifest.dataset, []
    if hashed:
        found.append(f"{name}: {hashed:,} images have new times and were hashed - medbench data prepare {name}")
    if damaged:
        mends = f"medbench data verify {name}, then medbench data prepare {name}"
        found.append(f"{name}: {damaged:,} kept pictures are damaged and were decoded again - {mends}")
    return found
