"""Paired tests: every method against the best of its comparison, on the same test samples and the same draws of patients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medbench.errors import MedbenchError
from medbench.leaderboard.text import escape, percent
from medbench.replicates import holm
from medbench.tables.analyses import Analysed, Findings
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
    import pyarrow as pa

    from medbench.statistics import PairedTest

_NOTES = (
    "difference: this method minus the best, in points of percent; in brackets its 95 % interval, by a bootstrap over the "
    "test patients in which both methods meet the same draws",
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
    """``best`` has the best value of those whose predictions are there; ``rows`` are all others, in order of rank."""

    best: Contender
    value: float
    rows: tuple[PairedRow, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    contender: Contender
    value: float | None
    analysed: tuple[Analysed, ...]
    reason: str


def paired_tests(comparison: Comparison, findings: Findings) -> Paired | None:
    """Tests at the largest fraction; None where no method with predictions has a value, or there is only one method."""
    entries = [_entry(comparison, one, findings) for one in comparison.contenders if one.at(comparison.largest)]
    sign = 1 if comparison.metric.higher_is_better else -1
    able = [(one.value, one) for one in entries if one.value is not None and not one.reason]
    if not able or len(entries) == 1:
        return None
    value, best = max(able, key=lambda pair: sign * pair[0])  # of equals the first, and they stand in a fixed order
    rows = [_row(comparison, one, best, value) for one in entries if one is not best]
    return Paired(best.contender, value, tuple(_corrected(rows)))


def paired_section(comparison: Comparison, paired: Paired) -> str:
    """Markdown: the best, then a row a method with difference, interval, p and Holm's p."""
    header = ["method", "value", "difference", "p", "p (Holm)", "seeds"]
    rows = [
        [f"**{escape(paired.best.title)}**", percent(paired.value), "best", "", "", str(_seeds(comparison, paired))]
    ]
    for row in paired.rows:
        rows.append([escape(row.contender.title), _percent(row.value), *_test_cells(row), str(row.seeds)])
    sign = 1 if comparison.metric.higher_is_better else -1
    ahead = [
        row for row in paired.rows if row.value is not None and row.reason and sign * (row.value - paired.value) > 0
    ]
    notes = [*_NOTES, *(f"{row.contender.title} has a better value than the best here, but no test" for row in ahead)]
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


def _entry(comparison: Comparison, contender: Contender, findings: Findings) -> _Entry:
    records = contender.at(comparison.largest)
    values = [
        record.metrics[comparison.metric.name].value for record in records if comparison.metric.name in record.metrics
    ]
    known = [value for value in values if value is not None]
    value = sum(known) / len(known) if known else None
    analysed = findings.all_of(records)
    if analysed is None:
        return _Entry(contender, value, (), "no analysed predictions of all its seeds")
    if len(known) != len(records):
        return _Entry(contender, value, (), "its metric is undefined or absent")
    reason = next((found for one in analysed[1:] if (found := _difference(one.samples, analysed[0].samples))), "")
    return _Entry(contender, value, tuple(analysed), f"its seeds differ: {reason}" if reason else "")


def _row(comparison: Comparison, entry: _Entry, best: _Entry, best_value: float) -> PairedRow:
    row = PairedRow(entry.contender, entry.value, len(entry.contender.at(comparison.largest)))
    reason = entry.reason or _unlike(comparison, entry, best)
    if reason or entry.value is None:
        return replace(row, reason=reason or "its metric is undefined")
    import numpy as np

    from medbench.statistics import paired_difference

    replicates = [np.mean([seed.replicates for seed in one.analysed], axis=0) for one in (entry, best)]
    try:
        test = paired_difference(replicates[0], replicates[1], entry.value, best_value)
    except MedbenchError as error:
        return replace(row, reason=str(error))
    return replace(row, test=test, reason="" if test else "no draw in which both are defined")


def _unlike(comparison: Comparison, entry: _Entry, best: _Entry) -> str:
    """Why the two did not answer the same questions; empty where they did."""
    manifests = {record.manifest_sha256 for one in (entry, best) for record in one.contender.at(comparison.largest)}
    if len(manifests) > 1:
        return "other data than the best's: the manifests differ"
    return _difference(entry.analysed[0].samples, best.analysed[0].samples)


def _difference(samples: pa.Table, others: pa.Table) -> str:
    """In what two tables of sorted sample and patient ids differ; empty where in nothing."""
    if samples.equals(others):
        return ""
    own, other = (table.column("sample_id").to_pylist() for table in (samples, others))
    if own == other:
        return "the same test samples under other patient ids"
    extra, absent = len(set(own) - set(other)), len(set(other) - set(own))
    return f"other test samples: {extra} that the other lacks, {absent} that only the other has"


def _corrected(rows: list[PairedRow]) -> list[PairedRow]:
    """The rows with Holm's p over all tests that were made."""
    corrected = iter(holm([row.test.p_value for row in rows if row.test]))
    return [replace(row, holm=next(corrected)) if row.test else row for row in rows]


def _seeds(comparison: Comparison, paired: Paired) -> int:
    return len(paired.best.at(comparison.largest))


def _test_cells(row: PairedRow) -> tuple[str, str, str]:
    if row.test is None or row.holm is None:
        return f"not tested: {escape(row.reason)}", "–", "–"
    test = row.test
    difference = f"{100 * test.difference:+.1f} [{100 * test.low:+.1f}, {100 * test.high:+.1f}]"
    return difference, f"{test.p_value:.3f}", f"{row.holm:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else percent(value)
