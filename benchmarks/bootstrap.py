"""1,000 bootstrap replicates of a 14-label AUROC on 25,596 rows, beside a loop over scikit-learn's ``roc_auc_score``.

The rows are as many as ChestX-ray14's official test list, with its positives and number of patients. Both sides get the
same draws of patients, and their first replicates are compared. The loop is timed on a few replicates and extrapolated:
its time is proportional to their number.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from medbench.statistics import REPLICATES, patient_counts
from medbench_tasks.classification.ranking import ranking_estimates

TARGET = 50.0
ROWS, PATIENTS = 25_596, 2_797
POSITIVES = (3279, 1069, 4658, 6112, 1748, 1623, 555, 2665, 1815, 925, 1093, 435, 1143, 86)


class Comparison(NamedTuple):
    """Wall-clock seconds of either side for all replicates; the loop's is extrapolated from ``loop_replicates``."""

    vectorised_s: float
    loop_s: float
    loop_replicates: int

    @property
    def ratio(self) -> float:
        return self.loop_s / self.vectorised_s

    @property
    def met(self) -> bool:
        return self.ratio >= TARGET

    @property
    def rows(self) -> list[list[str]]:
        """For a table: what, seconds, ratio, target."""
        loop = f"loop over roc_auc_score (from {self.loop_replicates} replicates, extrapolated to {REPLICATES:,})"
        return [
            [loop, f"{self.loop_s:.1f}", "1.0", ""],
            [
                "medbench, patients drawn and all replicates",
                f"{self.vectorised_s:.2f}",
                f"{self.ratio:.1f}",
                f"at least {TARGET:g}",
            ],
        ]


def compare(loop_replicates: int = 5, repeats: int = 3) -> Comparison:
    """Time both; the best of ``repeats`` for each. Raises `ValueError` where their estimates differ."""
    truth, scores, patients = _test_set()
    vectorised, looped = [], []
    for _ in range(repeats):
        begin = time.perf_counter()
        counts = patient_counts(patients)
        estimates = ranking_estimates(truth, scores, counts, ["auroc"])["auroc"]
        vectorised.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        loop = np.array([_by_scikit_learn(truth, scores, counts[:, index]) for index in range(loop_replicates)])
        looped.append((time.perf_counter() - begin) * REPLICATES / loop_replicates)
        if not np.allclose(estimates[:loop_replicates], loop, rtol=0, atol=1e-12):
            raise ValueError("the vectorised AUROC differs from scikit-learn's: its time means nothing")
    return Comparison(min(vectorised), min(looped), loop_replicates)


def _by_scikit_learn(truth: NDArray[np.int8], scores: NDArray[np.float64], counts: NDArray[np.uint8]) -> list[float]:
    """One replicate as a script writes it: the drawn rows laid out, then the function label by label."""
    rows = np.repeat(np.arange(len(truth)), counts)
    return [roc_auc_score(truth[rows, label], scores[rows, label]) for label in range(truth.shape[1])]


def _test_set() -> tuple[NDArray[np.int8], NDArray[np.float64], list[str]]:
    generator = np.random.default_rng(0)
    truth = np.zeros((ROWS, len(POSITIVES)), np.int8)
    for label, number in enumerate(POSITIVES):
        truth[generator.choice(ROWS, number, replace=False), label] = 1
    scores = 1 / (1 + np.exp(-(generator.normal(0, 1, truth.shape) + truth).astype(np.float32)))
    return truth, scores.astype(np.float64), [f"p{index}" for index in generator.integers(0, PATIENTS, ROWS)]
