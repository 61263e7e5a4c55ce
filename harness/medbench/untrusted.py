"""Names from files of strangers, made fit to be printed."""

from __future__ import annotations

from collections.abc import Collection

NAME_LENGTH = 120


def shown(text: object, most: int = NAME_LENGTH) -> str:
    """``text`` on one line, without control characters, its middle cut out where it is longer than ``most``."""
    cut = str(text)
    if len(cut) > most:
        half = (most - 3) // 2
        cut = f"{cut[: most - 3 - half]}...{cut[-half:]}"
    return printable(cut)


def printable(text: str, keep: str = "") -> str:
    """``text`` with a question mark for each control character that is not among ``keep``."""
    return "".join(one if one.isprintable() or one in keep else "?" for one in text)


def listed(names: Collection[object], most: int = 5) -> str:
    """``a, b and 3 more``."""
    first = [shown(one) for one, _ in zip(names, range(most), strict=False)]
    rest = len(names) - len(first)
    return ", ".join(first) + (f" and {rest:,} more" if rest else "")
