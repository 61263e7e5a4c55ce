"""What is measured on the validation part, to choose the best epoch and to stop early."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from sklearn.metrics import f1_score, roc_auc_score
from torch import Tensor

from medbench_tasks.finetuning.model import Kind, masked_loss, probabilities

if TYPE_CHECKING:
    from numpy.typing import NDArray

PREFIX = "valid"
Score = Literal["loss", "auroc", "f1", "accuracy"]


class ClassScores(BaseMetric):  # type: ignore[misc]
    """The one ``score``: ``loss`` over all labels that are known, or another, macro over `defined` labels.

    ``accuracy`` of exclusive classes is the share of labelled rows whose likeliest class is theirs. The score is NaN where a
    logit is not finite.
    """

    def __init__(self, score: Score, kind: Kind) -> None:
        super().__init__(prefix=PREFIX)
        self._score = score
        self._kind: Kind = kind

    def process(self, data_batch: Any, data_samples: Sequence[Tensor]) -> None:
        """Keep the logits and truths of a batch."""
        truths = data_batch["data_samples"]
        self.results += [(logits.numpy(), truth.numpy()) for logits, truth in zip(data_samples, truths, strict=True)]

    def compute_metrics(self, results: list[tuple[NDArray[np.float32], NDArray[np.int8]]]) -> dict[str, float]:
        """The score under its name."""
        logits = torch.from_numpy(np.stack([logits for logits, _ in results]))
        truth = np.stack([truth for _, truth in results])
        return {self._score: score_of(self._score, logits, truth, self._kind)}


def score_of(score: Score, logits: Tensor, truth: NDArray[np.int8], kind: Kind) -> float:
    """The score of (N, K) logits against ``truth``, -1 masked; NaN where a logit is not finite or no label is `defined`."""
    if not bool(torch.isfinite(logits).all()):
        return math.nan
    if score == "loss":
        return float(masked_loss(logits.double(), torch.from_numpy(truth), kind))
    scores = probabilities(logits, kind).numpy()
    if score == "accuracy" and kind == "multi-class":
        known = (truth >= 0).all(axis=1)
        right = scores[known].argmax(axis=1) == truth[known].argmax(axis=1)
        return float(right.mean()) if len(right) else math.nan
    answers = scores == scores.max(axis=1, keepdims=True) if kind == "multi-class" else scores > 0.5
    values = []
    for column in np.flatnonzero(defined(truth)):
        known = truth[:, column] >= 0
        wanted = truth[known, column]
        if score == "auroc":
            values.append(roc_auc_score(wanted, scores[known, column]))
        elif score == "accuracy":
            values.append((answers[known, column] == wanted).mean())
        else:
            values.append(f1_score(wanted, answers[known, column], zero_division=0.0))
    return float(np.mean(values)) if values else math.nan


def defined(truth: NDArray[np.int8]) -> NDArray[np.bool_]:
    """(K,) which labels of (N, K) truth are present in some sample and absent in another."""
    both: NDArray[np.bool_] = (truth == 1).any(axis=0) & (truth == 0).any(axis=0)
    return both
