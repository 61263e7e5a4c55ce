"""`medbench.testing.fresh.ask` without its process, for tests of faults that show in this one: quicker."""

from __future__ import annotations

from typing import Any

import msgspec

from medbench.loading import resolve


def ask_here(function: str, *arguments: object) -> Any:
    """What the function gives, as it comes back from a process."""
    return msgspec.json.decode(msgspec.json.encode(resolve(function, "the test")(*arguments)))
