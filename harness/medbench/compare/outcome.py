"""Whether a comparison passes: the exit code, and the sentence that says why."""

from __future__ import annotations

from dataclasses import dataclass

from medbench.compare.verdicts import COMPARED, Comparison, Line


@dataclass(frozen=True, slots=True)
class Outcome:
    """``code`` is what the process returns: 0 holds, 1 fails, 2 could not be decided. ``reasons`` are sentences."""

    code: int
    reasons: tuple[str, ...] = ()


def outcome_of(comparison: Comparison) -> Outcome:
    """What the rules make of the lines; a gate that compared nothing never passes."""
    rules = comparison.rules
    failed = []
    if rules.fail_on_regression and (regressed := _count(comparison, "regressed")):
        failed.append(f"{regressed} regressed")
    if rules.fail_on_missing and (missing := _count(comparison, "missing")):
        failed.append(f"{missing} missing in NEW")
    if rules.gates and comparison.problems:
        failed.append(f"{len(comparison.problems)} records cannot be read")
    refused = _count(comparison, "refused")
    undecided = []
    if rules.fail_on_regression and refused:
        undecided.append(f"{refused} refused")
    if all(line.change is None and line.verdict != "same" for line in comparison.lines):
        undecided.append("nothing could be compared")
    elif rules.fail_on_regression and not any(line.gates and line.verdict in COMPARED for line in comparison.lines):
        undecided.append("no gating metric could be tested")
    if failed:
        return Outcome(1, (*failed, *undecided))
    return Outcome(2 if undecided else 0, tuple(undecided))


def fails(line: Line, comparison: Comparison) -> bool:
    """Whether a line makes the gate fail."""
    rules = comparison.rules
    return (rules.fail_on_regression and line.verdict in {"regressed", "refused"}) or (
        rules.fail_on_missing and line.verdict == "missing"
    )


def _count(comparison: Comparison, verdict: str) -> int:
    return sum(line.verdict == verdict for line in comparison.lines)
