"""Paired tests: every method against the best of its comparison, on the same test samples and the same draws of patients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medbench.leaderboard.text import Unit, escape, number_text, signed
from medbench.replicates import Pairing, holm, pair
from medbench.tables.comparisons import Comparison, Contender, share_of_data
from medbench.tables.text import (
    HEADING_FIELDS,
    Value,
    bullets,
    csv_bytes,
    heading_values,
    markdown,
    paragraphs,
)

if TYPE_CHECKING:
    from medbench.statistics import PairedTest

_DIFFERENCE = (
    "difference: this method minus the best{points}; in brackets its 95 % interval, by a bootstrap over the "
    "test patients in which both methods meet the same draws"
)
_NOTES = (
    "p: two-sided, of no difference; Holm: corrected for the number of tests in this table",
    "several seeds: means over seeds, in each draw; the tests know nothing of the spread between seeds",
    "the best was found on this same test set, so its lead is somewhat flattered",
)


@dataclass(frozen=True, slots=True)
class PairedRow:
    """One method against the best. Without a ``test``, ``reason`` says why there is none."""

    contender: Contender
    value: float | None
    seeds: int
    test: PairedTest | None = None
    holm: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Paired:
    """``best`` has the best value of those whose records keep replicates; ``rows`` are all others, in order of rank."""

    best: Contender
    value: float
    rows: tuple[PairedRow, ...]


def paired_tests(comparison: Comparison) -> Paired | None:
    """Tests at the largest fraction; None where no method with replicates has a value, or there is only one method."""
    contenders = [one for one in comparison.contenders if one.at(comparison.largest)]
    sign = 1 if comparison.metric.higher_is_better else -1
    values = [_value(comparison, one) for one in contenders]
    able = [
        (value, one)
        for value, one in zip(values, contenders, strict=True)
        if value is not None and _can_be_paired(comparison, one)
    ]
    if not able or len(contenders) == 1:
        return None
    value, best = max(able, key=lambda pair: sign * pair[0])  # of equals the first, and they stand in a fixed order
    rows = [_row(comparison, one, mean, best) for one, mean in zip(contenders, values, strict=True) if one is not best]
    return Paired(best, value, tuple(_corrected(rows)))


def paired_section(comparison: Comparison, paired: Paired) -> str:
    """Markdown: the best, then a row a method with difference, interval, p and Holm's p."""
    header = ["method", "value", "difference", "p", "p (Holm)", "seeds"]
    unit = comparison.metric.unit
    best = [f"**{escape(paired.best.title)}**", number_text(paired.value, unit), "best", "", ""]
    rows = [[*best, str(_seeds(comparison, paired))]]
    for row in paired.rows:
        value = "–" if row.value is None else number_text(row.value, unit)
        rows.append([escape(row.contender.title), value, *_test_cells(row, unit), str(row.seeds)])
    sign = 1 if comparison.metric.higher_is_better else -1
    ahead = [
        row for row in paired.rows if row.value is not None and row.reason and sign * (row.value - paired.value) > 0
    ]
    points = ", in points of percent" if unit == "percent" else ""
    notes = [_DIFFERENCE.format(points=points), *_NOTES]
    notes += [f"{row.contender.title} has a better value than the best here, but no test" for row in ahead]
    lead = f"{escape(comparison.metric.title)}, {share_of_data(comparison.largest)}, every method against the best."
    return paragraphs("## Paired tests", lead, markdown(header, rows), bullets(notes))


def paired_csv(comparison: Comparison, paired: Paired) -> bytes:
    """A row a method, as shares of 1."""
    header = (
        *HEADING_FIELDS,
        "fraction",
        "metric",
        "method",
        "value",
        "best",
        "best_value",
        "difference",
        "low",
        "high",
    )
    rows: list[tuple[Value, ...]] = []
    for row in paired.rows:
        test = row.test
        numbers = (test.difference, test.low, test.high, test.p_value) if test else (None,) * 4
        own = (comparison.largest, comparison.metric.name, row.contender.title, row.value)
        against = (paired.best.title, paired.value)
        rows.append((*heading_values(comparison), *own, *against, *numbers, row.holm, row.seeds, row.reason))
    return csv_bytes((*header, "p", "p_holm", "seeds", "reason"), rows)


def _value(comparison: Comparison, contender: Contender) -> float | None:
    """The mean over the seeds that have one, as on the leaderboard."""
    name = comparison.metric.name
    found = [record.metrics[name].value for record in contender.at(comparison.largest) if name in record.metrics]
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if known else None


def _can_be_paired(comparison: Comparison, contender: Contender) -> bool:
    """Whether it can be paired with itself, and so with any other on the same samples."""
    records = contender.at(comparison.largest)
    return pair(records, records, comparison.metric.name).test is not None


def _row(comparison: Comparison, contender: Contender, value: float | None, best: Contender) -> PairedRow:
    own, others = contender.at(comparison.largest), best.at(comparison.largest)
    if len({record.manifest_sha256 for record in (*own, *others)}) > 1:
        found = Pairing(None, "other data than the best's: the manifests differ")
    else:
        found = pair(own, others, comparison.metric.name)
    return PairedRow(contender, value, len(own), test=found.test, reason=found.reason)


def _corrected(rows: list[PairedRow]) -> list[PairedRow]:
    """The rows with Holm's p over all tests that were made."""
    corrected = iter(holm([row.test.p_value for row in rows if row.test]))
    return [replace(row, holm=next(corrected)) if row.test else row for row in rows]


def _seeds(comparison: Comparison, paired: Paired) -> int:
    return len(paired.best.at(comparison.largest))


def _test_cells(row: PairedRow, unit: Unit) -> tuple[str, str, str]:
    if row.test is None or row.holm is None:
        return f"not tested: {escape(row.reason)}", "–", "–"
    test = row.test
    difference = f"{signed(test.difference, unit)} [{signed(test.low, unit)}, {signed(test.high, unit)}]"
    return difference, f"{test.p_value:.3f}", f"{row.holm:.3f}"
