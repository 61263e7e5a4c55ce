"""What a comparison is told: which differences it may overlook, what gates, and when that fails."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from medbench.errors import UnknownNameError, UsageError
from medbench.leaderboard.text import Unit

EXTRA = "extra"
"""Records of one side beside those that agree on both."""
ALLOWABLE = ("weights", "recipe", "split", "version", "precision", EXTRA)
"""The kinds of differences that `Rules.allow` may name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """``tolerance`` is in points of percent (0.5 is 0.005), ``level`` the family-wise error of the tests.

    ``tolerances`` are of single metrics by name, in points of their own unit; a metric that is no percentage has none else.

    ``metrics`` gate: ``ranking`` (each task's first), ``all``, or names separated by commas. ``methods`` names a method of
    BASE and one of NEW (``id@variant``) that are set against each other. Raises `UsageError` where a value makes no sense.
    """

    tolerance: float = 0.5
    tolerances: Mapping[str, float] = field(default_factory=dict)
    level: float = 0.05
    metrics: str = "ranking"
    allow: frozenset[str] = frozenset()
    methods: tuple[str, str] | None = None
    fail_on_regression: bool = False
    fail_on_missing: bool = False

    def __post_init__(self) -> None:
        for tolerance in (self.tolerance, *self.tolerances.values()):
            if not (math.isfinite(tolerance) and tolerance >= 0):
                raise UsageError(f"the tolerance is {tolerance:g}", fix="give points, 0 or more")
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

    def borne(self, metric: str, unit: Unit) -> float:
        """The drop of a metric that is borne, as records hold it: 0.5 points of percent are 0.005."""
        if unit == "percent":
            return self.tolerances.get(metric, self.tolerance) / 100
        return self.tolerances.get(metric, 0.0)
