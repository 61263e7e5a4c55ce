"""The metrics of written reports, from the predictions alone, with intervals over patients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medbench.errors import UnknownNameError
from medbench.protocols import GroupValue
from medbench.records import MetricValue
from medbench.statistics import interval_of, patient_counts, weighted_sums
from medbench_tasks.classification.subgroups import AGE_BANDS, FEWEST
from medbench_tasks.generation.predictions import WrittenReports, read_predictions
from medbench_tasks.generation.recipe import METRICS
from medbench_tasks.texts.efficacy import Efficacy
from medbench_tasks.texts.measures import TextMeasures
from medbench_tasks.texts.meteor import missing

if TYPE_CHECKING:
    import pyarrow as pa

_DISTINCT, _RADGRAPH = "distinct-share", "radgraph-f1"
_KNOWN = tuple(metric.name for metric in METRICS)


def score_reports(table: pa.Table, names: Sequence[str], *, uncertain_is_present: bool) -> dict[str, MetricValue]:
    """The metrics of those names with intervals. Raises `UnknownNameError`, and `TrialError` for an empty table."""
    reports = _Reports.of(table, names, uncertain_is_present)
    return reports.values(names, np.ones(len(reports), np.uint8))


def replicate_reports(
    table: pa.Table, names: Sequence[str], *, uncertain_is_present: bool
) -> dict[str, NDArray[np.float64]]:
    """The metrics' bootstrap replicates (R,); NaN where undefined."""
    reports = _Reports.of(table, names, uncertain_is_present)
    found = reports.estimates(reports.draws)
    return {name: found.get(name, np.full(len(reports.draws), np.nan)) for name in names}


def group_reports(table: pa.Table, names: Sequence[str], *, uncertain_is_present: bool) -> list[GroupValue]:
    """Each metric by sex, age band and view, from the same draws of patients; groups of few studies get a note.

    CIDEr's document frequencies stay those of the whole test set, so that groups can be compared.
    """
    reports = _Reports.of(table, names, uncertain_is_present)
    found = []
    for grouping, group, members in _groups(reports.written.attributes):
        few = MetricValue(value=None, n=int(members.sum()), note=f"fewer than {FEWEST} samples")
        values = dict.fromkeys(names, few) if members.sum() < FEWEST else reports.values(names, members)
        found += [
            GroupValue(grouping=grouping, group=group, metric=name, value=value) for name, value in values.items()
        ]
    return found


@dataclass(frozen=True)
class _Reports:
    """What is scored, the statistics of its texts and findings, and the bootstrap's ``draws`` (R, N) of its patients."""

    written: WrittenReports
    texts: TextMeasures
    clinical: Efficacy | None
    draws: NDArray[np.uint8]

    @classmethod
    def of(cls, table: pa.Table, names: Sequence[str], uncertain_is_present: bool) -> _Reports:
        for name in names:
            if name not in _KNOWN:
                raise UnknownNameError("metric of written reports", name, _KNOWN)
        written = read_predictions(table)
        references = [[reference] for reference in written.references]
        meteor = "meteor" in names and not missing()
        return cls(
            written,
            TextMeasures.of(references, written.hypotheses, meteor=meteor),
            Efficacy.of(written.truth, written.predicted, uncertain_is_present=uncertain_is_present)
            if written.truth.shape[1]
            else None,
            np.ascontiguousarray(patient_counts(written.patient_ids).T),
        )

    def __len__(self) -> int:
        return len(self.written)

    def values(self, names: Sequence[str], members: NDArray[np.uint8]) -> dict[str, MetricValue]:
        """Each metric over the samples whose ``members`` (N,) is 1."""
        points = self.estimates(members[None])
        replicates = self.estimates(self.draws * members)
        n = int(members.sum())
        found = {}
        for name in names:
            if name == _DISTINCT:
                found[name] = MetricValue(value=self._distinct(members), n=n)
            elif name not in points or np.isnan(points[name][0]):
                found[name] = MetricValue(value=None, n=n, note=self._why_not(name))
            else:
                interval = interval_of(replicates[name])
                low, high = (None, None) if interval is None else (interval.low, interval.high)
                found[name] = MetricValue(value=float(points[name][0]), low=low, high=high, n=n)
        return found

    def estimates(self, weights: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
        """Each metric that can be computed here and resampled, under each row of ``weights`` (R, N): (R,)."""
        found = dict(self.texts.replicates(weights))
        if self.clinical is not None:
            found |= {f"ce-{name}": values for name, values in self.clinical.replicates(weights).items()}
        if not np.isnan(self.written.radgraph).any():
            columns = np.stack([self.written.radgraph, np.ones(len(self))], axis=1)
            sums = weighted_sums(columns, weights.T)
            found[_RADGRAPH] = np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0)
        return found

    def _why_not(self, name: str) -> str:
        if name == "meteor":
            return missing()
        if name == _RADGRAPH:
            return "not asked for: set the recipe's radgraph"
        return "no finding was read off the reports: the recipe's labeller is none"

    def _distinct(self, members: NDArray[np.uint8]) -> float:
        """Without an interval: a draw with replacement holds fewer distinct reports than the samples do."""
        chosen = [text for text, member in zip(self.written.hypotheses, members, strict=True) if member]
        return len(set(chosen)) / len(chosen)


def _groups(attributes: Mapping[str, list[str]]) -> Iterator[tuple[str, str, NDArray[np.uint8]]]:
    """Groupings and their groups that have members: age bands ascending, others by name; the unknown are in none."""
    bands = [name for _, name in AGE_BANDS]
    for grouping in ("sex", "age", "view"):
        values = [_age_band(one) for one in attributes["age"]] if grouping == "age" else attributes[grouping]
        order = sorted(set(values) - {""}, key=lambda name: (bands.index(name) if name in bands else -1, name))
        for group in order:
            yield grouping, group, (np.asarray(values) == group).astype(np.uint8)


def _age_band(age: str) -> str:
    """The band of an age in years; '' where it is no number of at least 0."""
    try:
        years = float(age)
    except ValueError:
        return ""
    return next((name for first, name in reversed(AGE_BANDS) if years >= first), "")
