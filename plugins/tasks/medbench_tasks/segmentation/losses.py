"""Losses over one logit channel: the published mixed loss, and the one that recipe ``standard`` trains with.

Both take logits and masks (B, 1, H, W), masks with values in 0..1, and give a scalar. In training mode the batch is that of all
processes that share the training, of which this one has the images given.
"""

from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from medbench_tasks.training_shares import means_over_ranks, sums_over_ranks


def focal(logits: Tensor, truth: Tensor, gamma: float = 2.0) -> Tensor:
    """Mean over pixels of ``(1 - p_t)^gamma * BCE``.

    ``p_t = exp(-BCE)``, so that it is defined for soft truth too; for truth 0 or 1 it is the probability of the truth.
    """
    cross_entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return ((1 - (-cross_entropy).exp()) ** gamma * cross_entropy).mean()


def soft_dice(logits: Tensor, truth: Tensor, smooth: float = 1.0) -> Tensor:
    """Soft Dice coefficient of all pixels of the batch taken together, in 0..1, higher is better."""
    probabilities = logits.sigmoid()
    return _dice((probabilities * truth).sum(), probabilities.sum(), truth.sum(), smooth)


def _dice(overlap: Tensor, predicted: Tensor, wanted: Tensor, smooth: float) -> Tensor:
    return (2 * overlap + smooth) / (predicted + wanted + smooth)


def _shared_dice(logits: Tensor, truth: Tensor) -> Tensor:
    """`soft_dice` of all processes' pixels."""
    probabilities = logits.sigmoid()
    return _dice(*sums_over_ranks((probabilities * truth).sum(), probabilities.sum(), truth.sum()), smooth=1.0)


@MODELS.register_module()
class MixedLoss(nn.Module):
    """``10 * focal(gamma 2) - log(soft Dice of the batch)``: the loss of the MGCA release."""

    loss_name = "loss_mixed"

    def forward(self, logits: Tensor, truth: Tensor) -> Tensor:
        if not self.training:
            return 10 * focal(logits, truth) - soft_dice(logits, truth).log()
        (mean_focal,) = means_over_ranks(focal(logits, truth), images=len(logits))
        return 10 * mean_focal - _shared_dice(logits, truth).log()


@MODELS.register_module()
class BceDiceLoss(nn.Module):
    """Binary cross-entropy plus ``1 - soft Dice`` of the batch.

    Cross-entropy is a proper score, so 0.5 is the right threshold; Dice keeps small foregrounds from being drowned. Dice
    is taken over the batch, not per image: an image without foreground has a per-image Dice of ``1 / (1 + sum p)``,
    whose gradient is next to nothing until the prediction is all but empty, and most images have none.
    """

    loss_name = "loss_bce_dice"

    def forward(self, logits: Tensor, truth: Tensor) -> Tensor:
        cross_entropy = functional.binary_cross_entropy_with_logits(logits, truth)
        if not self.training:
            return cross_entropy + 1 - soft_dice(logits, truth)
        (mean_cross_entropy,) = means_over_ranks(cross_entropy, images=len(logits))
        return mean_cross_entropy + 1 - _shared_dice(logits, truth)
