"""Choosing among candidates (strengths, numbers of neighbours) on the validation part: by AUROC, else by loss."""

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

    ``by_loss`` labels had but one answer in validation, so that AUROC is undefined and the log loss chose; ``blind`` ones
    had no sample there at all, and have the middle candidate.
    """

    index: NDArray[np.int64]
    by_loss: int
    blind: int


def choose_each(truth: NDArray[np.int8], scores: Scores) -> Choice:
    """The best candidate for each label on its own, the first of equally good ones; -1 in ``truth`` (N, K) is masked."""
    merit = aurocs(truth, scores)
    undefined = np.isnan(merit).any(axis=0)
    merit[:, undefined] = -log_losses(truth, scores)[:, undefined]
    blind = np.isnan(merit).any(axis=0)
    merit[:, blind] = 0
    merit[len(scores) // 2, blind] = 1
    return Choice(merit.argmax(axis=0), int((undefined & ~blind).sum()), int(blind.sum()))


def choose_one(truth: NDArray[np.int8], scores: Scores) -> Choice:
    """The best candidate for all labels together: by the mean AUROC of those where it is defined, else by the mean loss."""
    labels = truth.shape[1]
    merit = aurocs(truth, scores)
    defined = ~np.isnan(merit).any(axis=0)
    if defined.any():
        best, by_loss, blind = int(merit[:, defined].mean(axis=1).argmax()), 0, 0
    elif (truth >= 0).any():
        best, by_loss, blind = int(np.nanmean(log_losses(truth, scores), axis=1).argmin()), labels, 0
    else:
        best, by_loss, blind = len(scores) // 2, 0, labels
    return Choice(np.full(labels, best), by_loss, blind)


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
