"""Choosing among candidates (strengths, numbers of neighbours) on the validation part, by the metric that ranks there.

That is AUROC for labels asked one by one, and accuracy for classes that exclude each other. Few validation samples leave
many candidates equally good, and then the log loss decides: an AUROC of 1 is also had from probabilities that all are alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Scores = NDArray[np.float64]
"""(S, N, K): S candidates' probabilities of K labels for N samples."""

_CLIP = 1e-7


@dataclass(frozen=True, slots=True)
class Choice:
    """``index`` (K,) is the candidate chosen for each label.

    ``by_loss`` labels were chosen for by the log loss alone, since AUROC is undefined where validation has but one answer;
    ``blind`` ones had no sample there at all, and the middle candidate unless others chose for them.
    """

    index: NDArray[np.int64]
    by_loss: int
    blind: int


def choose_each(truth: NDArray[np.int8], scores: Scores) -> Choice:
    """The best candidate for each label on its own: AUROC, else the loss, else the first; -1 in ``truth`` (N, K) is masked."""
    merit, losses = aurocs(truth, scores), log_losses(truth, scores)
    undefined, blind = (np.asarray(np.isnan(found).any(axis=0)) for found in (merit, losses))
    merit[:, undefined] = 0
    index = [
        len(scores) // 2 if blind[label] else _best(merit[:, label], losses[:, label])
        for label in range(truth.shape[1])
    ]
    return Choice(np.array(index, np.int64), int((undefined & ~blind).sum()), int(blind.sum()))


def choose_together(truth: NDArray[np.int8], scores: Scores) -> Choice:
    """One candidate for all labels: the mean AUROC of those where it is defined, else their mean loss, else the first."""
    merit, losses = aurocs(truth, scores), log_losses(truth, scores)
    defined, seen = ~np.isnan(merit).any(axis=0), ~np.isnan(losses).any(axis=0)
    best = len(scores) // 2
    if seen.any():
        ranks = merit[:, defined].mean(axis=1) if defined.any() else np.zeros(len(scores))
        best = _best(ranks, losses[:, seen].mean(axis=1))
    by_loss = 0 if defined.any() else int(seen.sum())
    return Choice(np.full(truth.shape[1], best), by_loss, int((~seen).sum()))


def choose_for_classes(truth: NDArray[np.int8], scores: Scores) -> Choice:
    """One candidate for all of K exclusive classes: accuracy, else the loss of the true class, else the first.

    Rows of ``truth`` (N, K) are one-hot, or -1 throughout.
    """
    known = (truth >= 0).all(axis=1)
    labels, best = truth.shape[1], len(scores) // 2
    if known.any():
        true = truth[known].argmax(axis=1)
        right = scores[:, known].argmax(axis=2) == true
        shares = np.take_along_axis(scores[:, known], true[None, :, None], axis=2)[..., 0]
        best = _best(right.mean(axis=1), -np.log(shares.clip(_CLIP, 1)).mean(axis=1))
    return Choice(np.full(labels, best), 0, 0 if known.any() else labels)


def _best(merit: NDArray[np.float64], losses: NDArray[np.float64]) -> int:
    """The candidate of the highest merit, of those the one of the lowest loss, of those the first."""
    return int(np.lexsort((losses, -merit))[0])


def aurocs(truth: NDArray[np.int8], scores: Scores) -> NDArray[np.float64]:
    """(S, K) areas under the ROC curve, ties counted half; NaN where a label has no positive or no negative."""
    found = np.full((len(scores), truth.shape[1]), np.nan)
    for label, answers in enumerate(truth.T):
        known = answers >= 0
        positive = answers[known] == 1
        pairs = int(positive.sum()) * int((~positive).sum())
        if pairs:
            ranks = rankdata(scores[:, known, label], axis=1)[:, positive]
            count = ranks.shape[1]
            found[:, label] = (ranks.sum(axis=1) - count * (count + 1) / 2) / pairs
    return found


def log_losses(truth: NDArray[np.int8], scores: Scores) -> NDArray[np.float64]:
    """(S, K) mean negative log-likelihoods of each label, present or absent; NaN where it has no sample."""
    found = np.full((len(scores), truth.shape[1]), np.nan)
    for label, answers in enumerate(truth.T):
        known = answers >= 0
        if known.any():
            present = scores[:, known, label].clip(_CLIP, 1 - _CLIP)
            found[:, label] = -np.log(np.where(answers[known] == 1, present, 1 - present)).mean(axis=1)
    return found
