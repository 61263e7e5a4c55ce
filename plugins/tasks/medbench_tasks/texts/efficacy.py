"""Clinical efficacy: how far the findings read off generated reports agree with those read off the true ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medbench.errors import UsageError
from medbench.statistics import weighted_sums
from medbench_tasks.texts.assertion import State
from medbench_tasks.texts.finding_phrases import OBSERVATIONS

FIVE = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
"""The observations that CheXpert's competition scores (Irvin et al., AAAI 2019, section 5)."""


@dataclass(frozen=True, slots=True, eq=False)
class Efficacy:
    """Which of ``findings`` each report tells of: ``truth`` and ``given`` (N, K) booleans."""

    truth: NDArray[np.bool_]
    given: NDArray[np.bool_]
    findings: tuple[str, ...] = OBSERVATIONS

    @classmethod
    def of(cls, truth: NDArray[np.int8], given: NDArray[np.int8], *, uncertain_is_present: bool = True) -> Efficacy:
        """From two (N, 14) matrices of `State` over `OBSERVATIONS`: present against the rest.

        An uncertain finding counts as present, as is usual for reports (f1chexbert), unless told otherwise.
        Raises `UsageError` where the two differ in shape or are of other findings.
        """
        if truth.shape != given.shape or truth.shape[1:] != (len(OBSERVATIONS),):
            raise UsageError(
                f"labels of shape {given.shape} cannot be compared with {truth.shape}",
                fix=f"give a row a report and a column for each of {len(OBSERVATIONS)} observations",
            )
        present = [State.PRESENT, State.UNCERTAIN] if uncertain_is_present else [State.PRESENT]
        return cls(np.isin(truth, present), np.isin(given, present))

    def values(self) -> dict[str, float]:
        """`replicates` with each report counted once."""
        return {name: float(found[0]) for name, found in self.replicates(np.ones((1, len(self.truth)))).items()}

    def replicates(self, weights: NDArray[np.generic]) -> Mapping[str, NDArray[np.float64]]:
        """The measures (R,) under each row of ``weights`` (R, N), how often each report counts.

        ``micro-{f1,precision,recall}`` and ``macro-f1`` over all findings, those of name ``...-5`` over `FIVE`. The macro mean
        is over the findings that a drawn true report has, NaN where none has any; ``macro-f1-as-released`` is scikit-learn's
        with ``zero_division=0``, which counts a finding that no true report has as 0. Of no report all are NaN.
        """
        counts = self._counts(weights)
        found: dict[str, NDArray[np.float64]] = {}
        for suffix, names in (("", self.findings), ("-5", FIVE)):
            columns = counts[:, :, [self.findings.index(name) for name in names]]
            f1, precision, recall = _scores(columns.sum(2))
            found |= {f"micro-f1{suffix}": f1, f"micro-precision{suffix}": precision, f"micro-recall{suffix}": recall}
            found[f"macro-f1{suffix}"] = _mean(_where_true(columns))
        found["macro-f1-as-released"] = _scores(counts)[0].mean(axis=1)
        drawn = np.asarray(weights).sum(1) > 0
        return {name: np.where(drawn, values, np.nan) for name, values in found.items()}

    def each(self) -> NDArray[np.float64]:
        """(N,) the F1 of each report's findings; 1 where neither it nor the true one tells of any."""
        shared, told = (self.truth & self.given).sum(axis=1), self.truth.sum(axis=1) + self.given.sum(axis=1)
        f1: NDArray[np.float64] = np.divide(2 * shared, told, out=np.ones(len(told)), where=told > 0)
        return f1

    def by_finding(self, weights: NDArray[np.generic]) -> NDArray[np.float64]:
        """(R, K) the F1 of each finding; NaN where no drawn true report has it."""
        return _where_true(self._counts(weights))

    def _counts(self, weights: NDArray[np.generic]) -> NDArray[np.float64]:
        """(R, 3, K) true positives, false positives, false negatives."""
        sides = (self.truth & self.given, ~self.truth & self.given, self.truth & ~self.given)
        columns = np.concatenate(sides, axis=1).astype(np.float64)
        return weighted_sums(columns, np.asarray(weights).T).reshape(-1, 3, len(self.findings))


def _scores(counts: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
    """F1, precision and recall of counts (R, 3, ...)."""
    hits, false, missed = counts[:, 0], counts[:, 1], counts[:, 2]
    return _ratio(2 * hits, 2 * hits + false + missed), _ratio(hits, hits + false), _ratio(hits, hits + missed)


def _where_true(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(R, K) the F1 of each finding of counts (R, 3, K); NaN without a true one."""
    return np.where(counts[:, 0] + counts[:, 2] > 0, _scores(counts)[0], np.nan)


def _mean(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(R,) means of (R, K) over those that are defined, NaN where none is."""
    defined = ~np.isnan(scores)
    number = defined.sum(axis=1)
    total = np.where(defined, scores, 0.0).sum(axis=1)
    means: NDArray[np.float64] = np.divide(total, number, out=np.full(len(scores), np.nan), where=number > 0)
    return means


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.zeros(above.shape), where=below > 0)
