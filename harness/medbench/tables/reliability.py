"""Reliability: how often an answer of a stated confidence was right, bin by bin, for the methods of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medbench.protocols import ReliabilityBin
from medbench.tables.analyses import Analysed, Findings
from medbench.tables.comparisons import Comparison
from medbench.tables.text import HEADING_FIELDS, Value, csv_bytes, heading_values


@dataclass(frozen=True, slots=True)
class Reliability:
    """A method's bins at the largest fraction, ascending, its seeds pooled; ``place`` is its own in the comparison."""

    title: str
    bins: tuple[ReliabilityBin, ...]
    place: int


def reliabilities(comparison: Comparison, findings: Findings) -> list[Reliability]:
    """The methods whose scores are probabilities, in order of rank."""
    found = []
    for place, contender in enumerate(comparison.contenders):
        analysed = findings.all_of(contender.at(comparison.largest))
        bins = pooled(analysed) if analysed else ()
        if bins:
            found.append(Reliability(contender.title, bins, place))
    return found


def pooled(analysed: Sequence[Analysed]) -> tuple[ReliabilityBin, ...]:
    """The bins of several seeds as those of all their answers together; empty bins are left out."""
    together: dict[tuple[float, float], list[ReliabilityBin]] = {}
    for one in analysed:
        for each in one.reliability:
            if each.n:
                together.setdefault((each.low, each.high), []).append(each)
    bins = []
    for (low, high), members in sorted(together.items()):
        n = sum(one.n for one in members)
        confidence = sum(one.n * one.confidence for one in members) / n
        frequency = sum(one.n * one.frequency for one in members) / n
        bins.append(ReliabilityBin(low=low, high=high, n=n, confidence=confidence, frequency=frequency))
    return tuple(bins)


def reliability_csv(comparison: Comparison, found: Sequence[Reliability]) -> bytes:
    """A row a method and bin."""
    header = (*HEADING_FIELDS, "fraction", "method", "low", "high", "n", "confidence", "frequency")
    rows: list[tuple[Value, ...]] = [
        (
            *heading_values(comparison),
            comparison.largest,
            *(one.title, each.low, each.high, each.n, each.confidence, each.frequency),
        )
        for one in found
        for each in one.bins
    ]
    return csv_bytes(header, rows)
