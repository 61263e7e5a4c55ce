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
_NUMBERS = ("f1", "precision", "recall")


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
        """``{micro,macro}-{f1,precision,recall}`` over all findings, ``...-5`` over `FIVE`, for each row of ``weights`` (R, N).

        As scikit-learn with ``zero_division=0``: a finding that neither side has counts as 0 in the macro means. NaN where no
        report is drawn.
        """
        counts = self._counts(weights)
        found: dict[str, NDArray[np.float64]] = {}
        for suffix, names in (("", self.findings), ("-5", FIVE)):
            columns = counts[:, :, [self.findings.index(name) for name in names]]
            for average, averaged in (("micro", _scores(columns.sum(2))), ("macro", _means(_scores(columns)))):
                for number, values in zip(_NUMBERS, averaged, strict=True):
                    found[f"{average}-{number}{suffix}"] = values
        drawn = np.asarray(weights).sum(1) > 0
        return {name: np.where(drawn, values, np.nan) for name, values in found.items()}

    def by_finding(self, weights: NDArray[np.generic]) -> NDArray[np.float64]:
        """(R, K) the F1 of each finding; NaN where no drawn true report has it."""
        counts = self._counts(weights)
        return np.where(counts[:, 0] + counts[:, 2] > 0, _scores(counts)[0], np.nan)

    def _counts(self, weights: NDArray[np.generic]) -> NDArray[np.float64]:
        """(R, 3, K) true positives, false positives, false negatives."""
        sides = (self.truth & self.given, ~self.truth & self.given, self.truth & ~self.given)
        columns = np.concatenate(sides, axis=1).astype(np.float64)
        return weighted_sums(columns, np.asarray(weights).T).reshape(-1, 3, len(self.findings))


def _scores(counts: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
    """F1, precision and recall of counts (R, 3, ...)."""
    hits, false, missed = counts[:, 0], counts[:, 1], counts[:, 2]
    return _ratio(2 * hits, 2 * hits + false + missed), _ratio(hits, hits + false), _ratio(hits, hits + missed)


def _means(scores: Sequence[NDArray[np.float64]]) -> Sequence[NDArray[np.float64]]:
    return [score.mean(axis=1) for score in scores]


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.zeros(above.shape), where=below > 0)
