"""Images to look at with the labels that they have and those that they were given.

An answer is right where every known label of the image is. Its score is the probability that was given to the truth: of the
true class, or of each known label being as it is, on average. Without probabilities it is the share of known labels that are
right.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medbench.protocols import Example, Shown
from medbench_tasks.classification.predictions import Predictions
from medbench_tasks.exhibits import spread

TOP = 3
"""How many classes of a multi-class answer are named."""


def show_labels(predictions: Predictions, count: int) -> list[Example]:
    """Up to ``count`` right and ``count`` wrong images that have a label, spread over their scores."""
    predictions = predictions.take(np.flatnonzero(predictions.labelled))
    if not len(predictions):
        return []
    answered = _answered(predictions)
    known = predictions.truth >= 0
    agrees = ((predictions.truth == 1) == answered) | ~known
    right = agrees.all(axis=1)
    scores, measure = _scores(predictions, known, agrees)
    tell = _class_told if predictions.multi_class else _labels_told
    return [
        Example(
            sample_id=predictions.sample_ids[row],
            right=bool(right[row]),
            truth=Shown(text=_truth_told(predictions, row)),
            answer=Shown(text=tell(predictions, row, answered[row])),
            score=float(scores[row]),
            measure=measure,
        )
        for row in spread(predictions.sample_ids, right, scores, count)
    ]


def _answered(predictions: Predictions) -> NDArray[np.bool_]:
    """(N, K) the labels that are answered present."""
    if predictions.multi_class:
        top: NDArray[np.bool_] = np.arange(predictions.scores.shape[1]) == predictions.scores.argmax(axis=1)[:, None]
        return top
    above: NDArray[np.bool_] = predictions.scores > predictions.thresholds
    return above


def _scores(
    predictions: Predictions, known: NDArray[np.bool_], agrees: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], str]:
    """(N,) scores and what they are."""
    if not predictions.probabilities:
        return (agrees & known).sum(axis=1) / known.sum(axis=1), "share of labels that are right"
    if predictions.multi_class:
        return (predictions.scores * (predictions.truth == 1)).sum(axis=1), "probability of the truth"
    given = np.where(predictions.truth == 1, predictions.scores, 1 - predictions.scores)
    several = predictions.scores.shape[1] > 1
    return (given * known).sum(axis=1) / known.sum(axis=1), f"{'mean ' if several else ''}probability of the truth"


def _truth_told(predictions: Predictions, row: int) -> str:
    labels, truth = predictions.target.labels, predictions.truth[row]
    present = ", ".join(label for label, value in zip(labels, truth, strict=True) if value == 1)
    return present or _none(labels)


def _class_told(predictions: Predictions, row: int, _answered: NDArray[np.bool_]) -> str:
    """The classes of the highest scores, best first."""
    best = np.argsort(-predictions.scores[row], kind="stable")[:TOP]
    return _listed(predictions, row, best)


def _labels_told(predictions: Predictions, row: int, answered: NDArray[np.bool_]) -> str:
    """The labels answered present by falling score, or that there is none and which came nearest to its threshold."""
    labels, scores = predictions.target.labels, predictions.scores[row]
    present = np.flatnonzero(answered)
    if len(present):
        return _listed(predictions, row, present[np.argsort(-scores[present], kind="stable")])
    nearest = np.argmax(scores - predictions.thresholds)
    return f"{_none(labels)} ({_listed(predictions, row, [nearest])})"


def _listed(predictions: Predictions, row: int, columns: NDArray[np.intp] | list[np.intp]) -> str:
    return ", ".join(f"{predictions.target.labels[one]} {predictions.scores[row, one]:.2f}" for one in columns)


def _none(labels: tuple[str, ...]) -> str:
    return f"no {labels[0]}" if len(labels) == 1 else "none of the labels"
