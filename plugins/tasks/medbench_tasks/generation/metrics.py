"""The metrics of written reports, from the predictions alone, with intervals over patients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medbench.errors import UnknownNameError
from medbench.protocols import GroupValue
from medbench.records import MetricValue
from medbench.statistics import interval_of, patient_counts, weighted_sums
from medbench_tasks.generation.predictions import WrittenReports, read_predictions
from medbench_tasks.generation.recipe import METRICS
from medbench_tasks.subgroups import FEWEST, members_of, too_few
from medbench_tasks.texts.efficacy import FIVE, Efficacy
from medbench_tasks.texts.measures import METEOR, TextMeasures

if TYPE_CHECKING:
    import pyarrow as pa

    from medbench_tasks.generation.recipe import GenerationRecipe

_DISTINCT, _RADGRAPH, _FINDINGS, _MACRO = "distinct-share", "radgraph-f1", "ce-", ("ce-macro-f1", "ce-macro-f1-5")
_KNOWN = tuple(metric.name for metric in METRICS)


def score_reports(table: pa.Table, names: Sequence[str], recipe: GenerationRecipe) -> dict[str, MetricValue]:
    """The metrics of those names with intervals. Raises `UnknownNameError`, and `TrialError` for an empty table."""
    reports = _Reports.of(table, names, recipe)
    return reports.values(names, np.ones(len(reports), np.bool_))


def replicate_reports(
    table: pa.Table, names: Sequence[str], recipe: GenerationRecipe
) -> dict[str, NDArray[np.float64]]:
    """The metrics' bootstrap replicates (R,); NaN where undefined."""
    reports = _Reports.of(table, names, recipe)
    found = reports.estimates(reports.draws)
    return {name: found.get(name, np.full(len(reports.draws), np.nan)) for name in names}


def group_reports(table: pa.Table, names: Sequence[str], recipe: GenerationRecipe) -> list[GroupValue]:
    """The F1 of each finding, then each metric by sex, age band and view; groups of few studies get a note.

    Intervals come from the same draws of patients as those of the whole test set, and CIDEr's document frequencies stay those
    of the whole, so that groups can be compared.
    """
    reports = _Reports.of(table, names, recipe)
    found = list(reports.by_finding()) if _MACRO[0] in names else []
    for grouping, group, members in members_of(reports.written.attributes, ("sex", "age", "view")):
        few = dict.fromkeys(names, too_few(int(members.sum())))
        values = few if members.sum() < FEWEST else reports.values(names, members)
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
    def of(cls, table: pa.Table, names: Sequence[str], recipe: GenerationRecipe) -> _Reports:
        for name in names:
            if name not in _KNOWN:
                raise UnknownNameError("metric of written reports", name, _KNOWN)
        written = read_predictions(table, recipe)
        references = [[reference] for reference in written.references]
        present = recipe.uncertain == "present"
        return cls(
            written,
            TextMeasures.of(references, written.hypotheses, written.meteor if METEOR in names else None),
            Efficacy.of(written.truth, written.predicted, uncertain_is_present=present)
            if written.truth.shape[1]
            else None,
            np.ascontiguousarray(patient_counts(written.patient_ids).T),
        )

    def __len__(self) -> int:
        return len(self.written)

    def values(self, names: Sequence[str], members: NDArray[np.bool_]) -> dict[str, MetricValue]:
        """Each metric over the samples that are ``members`` (N,)."""
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
                found[name] = _value(points[name][0], replicates[name], n, self._note(name, members))
        return found

    def estimates(self, weights: NDArray[np.generic]) -> dict[str, NDArray[np.float64]]:
        """Each metric that can be computed here and resampled, under each row of ``weights`` (R, N): (R,)."""
        found = dict(self.texts.replicates(weights))
        if self.clinical is not None:
            found |= {f"{_FINDINGS}{name}": values for name, values in self.clinical.replicates(weights).items()}
        if not np.isnan(self.written.radgraph).any():
            columns = np.stack([self.written.radgraph, np.ones(len(self))], axis=1)
            sums = weighted_sums(columns, weights.T)  # type: ignore[arg-type]
            found[_RADGRAPH] = np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0)
        return found

    def by_finding(self) -> Iterator[GroupValue]:
        """The F1 that clinical macro F1 is the mean of, by finding; nothing without a labeller."""
        if self.clinical is None:
            return
        points = self.clinical.by_finding(np.ones((1, len(self))))[0]
        replicates = self.clinical.by_finding(self.draws)
        for column, finding in enumerate(self.clinical.findings):
            value = (
                MetricValue(value=None, n=len(self), note="no true report has it")
                if np.isnan(points[column])
                else _value(points[column], replicates[:, column], len(self), f"by {self.written.labeller}")
            )
            yield GroupValue(grouping="class", group=finding, metric=_MACRO[0], value=value)

    def _note(self, name: str, members: NDArray[np.bool_]) -> str:
        """By what version the value came to be, and what a mean leaves out."""
        if name == METEOR:
            return self.written.meteor_version
        if name == _RADGRAPH:
            return f"by {self.written.grapher}"
        if not name.startswith(_FINDINGS) or self.clinical is None:
            return ""
        truth = self.clinical.truth[members]
        absent = [finding for column, finding in enumerate(self.clinical.findings) if not truth[:, column].any()]
        left_out = [finding for finding in absent if name == _MACRO[0] or (name == _MACRO[1] and finding in FIVE)]
        without = f"; without {', '.join(left_out)}: no true report has it" if left_out else ""
        return f"by {self.written.labeller}{without}"

    def _why_not(self, name: str) -> str:
        if name == METEOR:
            return "the trial ran where METEOR cannot be computed: pip install 'medbench[meteor]' and run it again"
        if name == _RADGRAPH:
            return "not asked for: set the recipe's radgraph"
        if self.clinical is None:
            return "no finding was read off the reports: the recipe's labeller is none"
        return f"{self.written.labeller} reads none of the findings off the true reports"

    def _distinct(self, members: NDArray[np.bool_]) -> float:
        """Without an interval: a draw with replacement holds fewer distinct reports than the samples do."""
        chosen = [text for text, member in zip(self.written.hypotheses, members, strict=True) if member]
        return len(set(chosen)) / len(chosen)


def _value(point: np.float64, replicates: NDArray[np.float64], n: int, note: str) -> MetricValue:
    interval = interval_of(replicates)
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    return MetricValue(value=float(point), low=low, high=high, n=n, note=note)
