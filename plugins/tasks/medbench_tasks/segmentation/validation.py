"""What is measured after an epoch on the validation part, to choose the best epoch and to stop early."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS
from torch import nn


@METRICS.register_module()
class MaskScores(BaseMetric):
    """``loss``: mean of batch losses, each weighing its images; ``dice``: mean over images with foreground;
    ``dice-all``: over all images, where an empty answer to an empty mask scores 1.

    Where no validation image has foreground, ``dice`` is over all images: the share that is answered empty.
    """

    def __init__(self, loss: nn.Module, **settings: Any) -> None:
        super().__init__(**settings)
        self._loss = loss

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep the counts of one batch of answered samples."""
        logits = torch.stack([sample["seg_logits"]["data"] for sample in data_samples])
        truth = torch.stack([sample["gt_sem_seg"]["data"] for sample in data_samples]).to(logits.device)
        loss = float(self._loss(logits, truth))
        predicted, wanted = (logits.sigmoid() > 0.5).flatten(1), (truth > 0.5).flatten(1)
        shared = (predicted & wanted).sum(1).tolist()
        for overlap, p, t in zip(shared, predicted.sum(1).tolist(), wanted.sum(1).tolist(), strict=True):
            self.results.append((loss, overlap, p, t))

    def compute_metrics(self, results: list[tuple[float, int, int, int]]) -> dict[str, float]:
        """The means over all samples that `process` kept."""
        loss = sum(result[0] for result in results) / len(results)
        dice = [(2 * shared / (p + t) if p + t else 1.0, t > 0) for _, shared, p, t in results]
        chosen = [value for value, positive in dice if positive] or [value for value, _ in dice]
        return {
            "loss": loss,
            "dice": sum(chosen) / len(chosen),
            "dice-all": sum(value for value, _ in dice) / len(dice),
        }
