"""What file and class names may be carried into tables, and which of them clash."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING

from medbench.samples import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

_UNFIT = frozenset({"Cc", "Cs", "Cn"})


def is_plain_text(name: str) -> bool:
    """Whether a name has no control character and is valid Unicode, so that files and tables can hold it."""
    return not any(unicodedata.category(mark) in _UNFIT for mark in name)


def look_alikes(names: Iterable[str]) -> list[Problem]:
    """Names that differ by case alone: one and the same where a file system does not tell case apart."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[name.casefold()].append(name)
    return [
        Problem("colliding-name", group[0], f"{' and '.join(group)} differ by case alone; both were kept")
        for group in groups.values()
        if len(group) > 1
    ]
