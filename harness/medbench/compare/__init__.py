"""Comparing two sets of records: what changed, whether it is significant, and whether a gate should fail."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medbench.compare.rules import Rules
from medbench.compare.sources import read_source
from medbench.compare.verdicts import Comparison, judge
from medbench.specs import TaskSpec


def compare(base: str, new: str, tasks: Mapping[str, TaskSpec], rules: Rules, folder: Path) -> Comparison:
    """The comparison of what BASE and NEW name, seen from ``folder``. Raises `UsageError` where one names no records."""
    sources = [read_source(name, folder) for name in (base, new)]
    problems = [problem for source in sources for problem in source.problems]
    return judge(sources[0].records, sources[1].records, tasks, rules, problems)


__all__ = ["Comparison", "Rules", "compare"]
