"""What a comparison is told: which differences it may overlook, what gates, and when that fails."""

from __future__ import annotations

import math
from dataclasses import dataclass

from medbench.errors import UnknownNameError, UsageError

ALLOWABLE = ("weights", "recipe", "split", "version", "precision")
"""The kinds of differences that `Rules.allow` may name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """``tolerance`` is in points of a metric's unit (0.5 of percent is 0.005), ``level`` the family-wise error of the tests.

    ``metrics`` gate: ``ranking`` (each task's first), ``all``, or names separated by commas. ``methods`` names a method of
    BASE and one of NEW (``id@variant``) that are set against each other. Raises `UsageError` where a value makes no sense.
    """

    tolerance: float = 0.5
    level: float = 0.05
    metrics: str = "ranking"
    allow: frozenset[str] = frozenset()
    methods: tuple[str, str] | None = None
    fail_on_regression: bool = False
    fail_on_missing: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise UsageError(f"the tolerance is {self.tolerance:g}", fix="give points, 0 or more")
        if not 0 < self.level < 1:
            raise UsageError(f"the level is {self.level:g}", fix="give a share between 0 and 1, such as 0.05")
        if not self.metric_names:
            raise UsageError("no metric gates", fix="--metrics ranking, all, or names separated by commas")
        for kind in sorted(self.allow - set(ALLOWABLE)):
            raise UnknownNameError("difference to allow", kind, ALLOWABLE)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The names in ``metrics``."""
        return tuple(dict.fromkeys(name.strip() for name in self.metrics.split(",") if name.strip()))

    @property
    def gates(self) -> bool:
        """Whether anything can fail."""
        return self.fail_on_regression or self.fail_on_missing
