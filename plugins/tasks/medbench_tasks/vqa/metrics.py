"""Accuracy, token F1 and BLEU-1 from the table of answers, with intervals over patients, and the same by group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from medbench.errors import UnknownNameError
from medbench.protocols import GroupValue, ReliabilityBin
from medbench.records import MetricValue
from medbench.statistics import interval_of, patient_counts, weighted_sums
from medbench_tasks.classification.calibration import bins_of
from medbench_tasks.subgroups import FEWEST, members_of, too_few
from medbench_tasks.texts.answers import bleu_1, exact_match, token_f1
from medbench_tasks.vqa.predictions import Answers
from medbench_tasks.vqa.questions import CLOSED, OPEN

_Score = Callable[[Sequence[str], Sequence[str]], NDArray[np.float64]]

_METRICS: Mapping[str, tuple[_Score, str]] = {
    "accuracy": (exact_match, ""),
    "closed-accuracy": (exact_match, CLOSED),
    "open-accuracy": (exact_match, OPEN),
    "open-token-f1": (token_f1, OPEN),
    "open-bleu-1": (bleu_1, OPEN),
}
"""The score of an answer, and the type of question that it is over ('' = all)."""


def score_answers(answers: Answers, names: Sequence[str]) -> dict[str, MetricValue]:
    """The metrics of those names with intervals. Raises `UnknownNameError`."""
    return _score(answers, names, patient_counts(answers.patient_ids))


def replicate_answers(answers: Answers, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """The metrics' bootstrap replicates (R,); NaN where undefined."""
    counts = patient_counts(answers.patient_ids)
    return {name: _means(*_column(answers, name), counts) for name in names}


def group_answers(answers: Answers, names: Sequence[str]) -> list[GroupValue]:
    """Each metric by question type, phrase type, language, sex, age band and view, where they are known.

    A metric over fewer than `FEWEST` questions gets a note in place of a value. Intervals come from the same draws of patients
    as those of the whole test set.
    """
    return list(_groups(answers, names))


def reliability_of(answers: Answers) -> list[ReliabilityBin]:
    """The bins of confidence that hold any answer, ascending; none where there are no probabilities."""
    if np.isnan(answers.confidence).any():
        return []
    return bins_of(answers.confidence, per_question(answers, exact_match))


def _score(answers: Answers, names: Sequence[str], counts: NDArray[np.uint8]) -> dict[str, MetricValue]:
    return {name: _value(*_column(answers, name), name, counts) for name in names}


def _column(answers: Answers, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(N,) scores of a metric, and the questions that it is over."""
    if name not in _METRICS:
        raise UnknownNameError("metric of questions", name, _METRICS)
    score, kind = _METRICS[name]
    return per_question(answers, score), answers.types == kind if kind else np.ones(len(answers), bool)


def per_question(answers: Answers, score: _Score) -> NDArray[np.float64]:
    """(N,) the score of each answer against the right one that it is nearest to."""
    rows = np.repeat(np.arange(len(answers)), [len(truth) for truth in answers.truths])
    scores = score([answers.answers[row] for row in rows], [one for truth in answers.truths for one in truth])
    best = np.zeros(len(answers))
    np.maximum.at(best, rows, scores)
    return best


def _means(scores: NDArray[np.float64], over: NDArray[np.bool_], counts: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(R,) mean scores of the questions in ``over``, NaN where a replicate has none."""
    sums = weighted_sums(np.stack([scores * over, over.astype(np.float64)], axis=1), counts)
    means: NDArray[np.float64] = np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0)
    return means


def _value(scores: NDArray[np.float64], over: NDArray[np.bool_], name: str, counts: NDArray[np.uint8]) -> MetricValue:
    n = int(over.sum())
    if not n:
        return MetricValue(value=None, note=f"no question is {_METRICS[name][1].lower()}")
    value = float(scores[over].mean())
    interval = interval_of(_means(scores, over, counts))
    if interval is None:
        return MetricValue(value=value, n=n)
    return MetricValue(value=value, low=interval.low, high=interval.high, n=n)


def _groups(answers: Answers, names: Sequence[str]) -> Iterator[GroupValue]:
    counts = patient_counts(answers.patient_ids)
    for grouping, group, members in members_of(answers.members, list(answers.members)):
        rows = np.flatnonzero(members)
        for name, value in _score(answers.take(rows.tolist()), names, counts[rows]).items():
            kept = value if value.n >= FEWEST else too_few(value.n)
            yield GroupValue(grouping=grouping, group=group, metric=name, value=kept)
