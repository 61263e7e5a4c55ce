"""Whether a comparison passes: the exit code, and the sentence that says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from medbench.compare.verdicts import COMPARED, Comparison, Line


@dataclass(frozen=True, slots=True)
class Outcome:
    """``code`` is what the process returns: 0 holds, 1 fails, 2 could not be decided. ``reasons`` are sentences."""

    code: int
    reasons: tuple[str, ...] = ()


def outcome_of(comparison: Comparison) -> Outcome:
    """What the rules make of the lines; a gate passes only where it compared all that it was to hold."""
    rules = comparison.rules
    failed = []
    lost = _count(comparison, _is_lost) if rules.fail_on_regression else 0
    if rules.fail_on_regression and (regressed := _count(comparison, lambda line: line.verdict == "regressed")):
        failed.append(f"{regressed} regressed")
    if lost:
        failed.append(f"{lost} no longer defined in NEW")
    missing = _count(comparison, lambda line: line.verdict == "missing") - lost
    if rules.fail_on_missing and missing:
        failed.append(f"{missing} missing in NEW")
    if rules.gates and comparison.problems:
        failed.append(f"{len(comparison.problems)} records cannot be read")
    undecided = _undecided(comparison)
    if failed:
        return Outcome(1, (*failed, *undecided))
    return Outcome(2 if undecided else 0, undecided)


def fails(line: Line, comparison: Comparison) -> bool:
    """Whether a line makes the gate fail."""
    rules = comparison.rules
    return (rules.fail_on_regression and (line.verdict == "regressed" or _is_lost(line))) or (
        rules.fail_on_missing and line.verdict == "missing"
    )


def leaves_open(line: Line, comparison: Comparison) -> bool:
    """Whether a line keeps the gate from a decision."""
    return comparison.rules.fail_on_regression and (line.verdict == "refused" or _is_untested(line))


def _undecided(comparison: Comparison) -> tuple[str, ...]:
    rules = comparison.rules
    reasons = []
    refused = _count(comparison, lambda line: line.verdict == "refused")
    if rules.fail_on_regression and refused:
        reasons.append(f"{refused} refused")
    gating = [line for line in comparison.lines if line.metric and line.gates]
    if all(line.change is None and line.verdict != "same" for line in comparison.lines):
        reasons.append("nothing could be compared")
    elif rules.fail_on_regression and not any(line.verdict in COMPARED or _is_lost(line) for line in gating):
        reasons.append("no gating metric could be tested")
    elif rules.fail_on_regression and (untested := _count(comparison, _is_untested)):
        reasons.append(f"{untested} gating metric{'s' if untested > 1 else ''} could not be tested")
    return tuple(reasons)


def _is_lost(line: Line) -> bool:
    """A gating metric that BASE has and NEW has not, or not in every seed."""
    return bool(line.metric) and line.gates and line.verdict == "missing"


def _is_untested(line: Line) -> bool:
    return bool(line.metric) and line.gates and line.verdict not in COMPARED and not _is_lost(line)


def _count(comparison: Comparison, counts: Callable[[Line], bool]) -> int:
    return sum(map(counts, comparison.lines))
