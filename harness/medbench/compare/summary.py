"""The cells of a comparison as they are read, and its table for a terminal and for a Markdown page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from medbench.compare.outcome import outcome_of
from medbench.compare.verdicts import Comparison, Line
from medbench.leaderboard.text import (
    Footnotes,
    clean,
    escape,
    fraction_name,
    markdown_table,
    percent,
    plain,
    terminal_table,
)

_HEADER = ("task", "method", "recipe", "data", "seeds", "metric", "BASE", "NEW", "change [95 %]", "p (Holm)", "verdict")
_ALIGN = ("left", "left", "left", "right", "right", "left", "right", "right", "right", "right", "left")
_LONGEST = 60
"""A name of 10,000 characters would make a table that nobody can read."""


def terminal_text(comparison: Comparison) -> str:
    """The table with its notes, and the outcome as the last line."""
    return _text(comparison, terminal_table, clean, "", "")


def markdown_text(comparison: Comparison) -> str:
    """The same for a page; no name can break it."""
    return _text(comparison, markdown_table, escape, "## medbench compare\n\n", "- ")


def label_of(line: Line) -> str:
    """``mgca@resnet50 on rsna-det (standard, 10 %): mAP``, on one line, cut where names are long."""
    kind = "generated data, " if line.phantom else ""
    head = f"{short(line.method)} on {short(line.task)} ({kind}{short(line.recipe)}, {fraction_name(line.fraction)})"
    return f"{head}: {short(line.title)}" if line.metric else head


def sentence_of(line: Line) -> str:
    """The verdict with its numbers or its reason, on one line."""
    if line.change is None or line.base is None or line.new is None:
        return f"{line.verdict}: {clean(line.reason)}" if line.reason else line.verdict
    numbers = f"{_number(line.base, line)} to {_number(line.new, line)}, {change_text(line)}"
    p_value = "" if line.holm is None else f", p {p_text(line.holm)}"
    reason = f" ({clean(line.reason)})" if line.reason else ""
    return f"{line.verdict}: {numbers}{p_value}{reason}"


def verdict_sentence(comparison: Comparison) -> str:
    """``passes: 3 within noise, 1 same``."""
    outcome = outcome_of(comparison)
    counts = ", ".join(f"{number} {verdict}" for verdict, number in comparison.counts().items()) or "no records"
    if not comparison.rules.gates and not outcome.code:
        return counts
    said = {0: "passes", 1: "fails", 2: "undecided"}[outcome.code]
    because = f" ({'; '.join(outcome.reasons)})" if outcome.reasons else ""
    return f"{said}{because}: {counts}"


def change_text(line: Line) -> str:
    """``-1.2 [-2.0, -0.4]``, in points; without the interval where there is none."""
    change = line.change
    if change is None:
        return "–"
    if change.low is None or change.high is None:
        return _signed(change.difference, line)
    bounds = f"[{_signed(change.low, line)}, {_signed(change.high, line)}]"
    return f"{_signed(change.difference, line)} {bounds}"


def p_text(p_value: float) -> str:
    """Three decimals, or ``<0.001``."""
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def short(text: str) -> str:
    """On one line, without control characters, cut where it is long."""
    cleaned = clean(text[: 10 * _LONGEST])
    return cleaned if len(cleaned) <= _LONGEST else f"{cleaned[: _LONGEST - 1]}…"


def _text(
    comparison: Comparison,
    table: Callable[[Sequence[str], Sequence[Sequence[str]], Sequence[str]], str],
    name: Callable[[str], str],
    head: str,
    bullet: str,
) -> str:
    notes = Footnotes()
    rows = [_row(line, notes, name) for line in comparison.lines]
    rules = comparison.rules
    told = [
        *(f"{number}: {name(text)}" for number, text in enumerate(notes.lines(), 1)),
        f"change: NEW minus BASE in points; its interval is 95 %, paired over the test patients; p is corrected for the "
        f"number of gating tests; level {rules.level:g}, tolerance {rules.tolerance:g} of percent"
        + "".join(f", {name(short(metric))} {points:g}" for metric, points in sorted(rules.tolerances.items())),
        *(f"cannot be read: {name(problem)}" for problem in comparison.problems),
    ]
    parts = [table(_HEADER, rows, _ALIGN)] if rows else []
    parts.append("\n".join(f"{bullet}{line}" for line in told))
    parts.append(verdict_sentence(comparison))
    return head + "\n\n".join(parts) + "\n"


def _row(line: Line, notes: Footnotes, name: Callable[[str], str]) -> list[str]:
    marks = [notes.number(short_reason) for short_reason in (line.reason, *line.notes) if short_reason]
    mark = f" ({','.join(map(str, marks))})" if marks else ""
    task = f"{name(short(line.task))}{' (generated)' if line.phantom else ''}"
    seeds = str(line.seeds[0]) if line.seeds[0] == line.seeds[1] else f"{line.seeds[0]} / {line.seeds[1]}"
    return [
        task,
        name(short(line.method)),
        name(short(line.recipe)),
        fraction_name(line.fraction),
        seeds,
        name(short(line.title)) or "–",
        _number(line.base, line),
        _number(line.new, line),
        change_text(line),
        "–" if line.holm is None else p_text(line.holm),
        f"{line.verdict}{mark}",
    ]


def _number(value: float | None, line: Line) -> str:
    if value is None:
        return "–"
    return percent(value) if line.unit == "percent" else plain(value)


def _signed(value: float, line: Line) -> str:
    scaled = round(100 * value if line.unit == "percent" else value, 2) + 0.0
    return f"{scaled:+.2f}"
