"""What is measured on the validation part, to choose the best epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from torch import Tensor

PREFIX = "valid"
MONITOR = f"{PREFIX}/accuracy"


class TargetAtBest(BaseMetric):  # type: ignore[misc]
    """``accuracy``: the mean target of the answer of highest logit, so that a question without a right answer counts 0.

    ``data_samples`` of a batch are targets (K,), or have them as ``target``.
    """

    def __init__(self) -> None:
        super().__init__(prefix=PREFIX)

    def process(self, data_batch: Any, data_samples: Sequence[Tensor]) -> None:
        """Keep the score of each question of a batch."""
        for logits, item in zip(data_samples, data_batch["data_samples"], strict=True):
            self.results.append(target_at_best(logits, item if isinstance(item, Tensor) else item.target))

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        """The mean over questions."""
        return {"accuracy": float(np.mean(results))}


def target_at_best(logits: Tensor, target: Tensor) -> float:
    """``target`` (K,) at the highest of ``logits`` (K,): 1 for a right answer, less where a target is soft."""
    return float(target[int(logits.argmax())])
