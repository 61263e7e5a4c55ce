"""Drawing a share of every stratum, the same each time and for each order of the ids."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def draw(strata: Mapping[str, str], share: float) -> set[str]:
    """Of the ids with their strata, ``share`` of each stratum, rounded: at least one of two, never all.

    Which ones is told by the SHA-256 of the id, so that ids added later hardly move the others.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for one, stratum in strata.items():
        members[stratum].append(one)
    drawn: set[str] = set()
    for ids in members.values():
        count = min(max(1, round(share * len(ids))), len(ids) - 1)
        drawn.update(sorted(ids, key=_lot)[:count])
    return drawn


def _lot(one: str) -> str:
    return hashlib.sha256(one.encode("utf-8", "surrogateescape")).hexdigest()
