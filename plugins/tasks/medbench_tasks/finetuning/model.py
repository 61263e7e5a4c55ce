"""An encoder with a linear head, as mmengine trains it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from medbench.preprocessing import normalised
from medbench_tasks.precision import autocast_on
from medbench_tasks.training_shares import sums_over_ranks

if TYPE_CHECKING:
    from medbench.capabilities import Preprocess
    from medbench_tasks.finetuning.recipe import FineTuningRecipe

TNI_DEVIATION = 2e-5

Kind = Literal["multi-label", "multi-class"]


class ImageClassifier(BaseModel):  # type: ignore[misc]
    """Pixels or features in, a logit a label out.

    ``encoder`` has the `ImageEncoder` capability; None where only features come in, which are ``width`` wide. ``stays``
    says that the encoder is neither trained nor changed by running statistics: it is then no part of the state_dict and
    never leaves eval mode. An encoder that is trained is the caller's to copy first. ``frozen`` ones get no gradient.
    ``precision`` is that in which the encoder runs.
    """

    def __init__(
        self,
        encoder: Any,
        head: nn.Module,
        kind: Kind,
        *,
        frozen: bool,
        stays: bool,
        preprocess: Preprocess,
        precision: str,
    ) -> None:
        super().__init__(data_preprocessor=MoveItems())
        self.head = head
        if stays or encoder is None:
            self._aside = (encoder,)  # in a tuple, so that torch does not see a part of this module in it
        else:
            self._aside = (None,)
            self.encoder = encoder.requires_grad_(not frozen)
        self._kind = kind
        self._frozen = frozen
        self._preprocess = preprocess
        self._precision = precision

    def init_weights(self) -> None:
        """Nothing: mmengine would have an encoder that knows how to be drawn anew drawn anew."""

    def forward(
        self, inputs: Tensor | tuple[Tensor, ...], data_samples: Tensor, mode: str = "tensor"
    ) -> dict[str, Tensor] | list[Tensor] | Tensor:
        """(B, S, S) uint8 pixels, or a tuple of features (B, D), and truth (B, K).

        ``loss`` gives the mean loss over labels that are not masked, ``predict`` a list of B logits (K,), on the CPU.
        """
        features = inputs[0] if isinstance(inputs, tuple) else self.encode(inputs)
        logits = self.head(features).float()
        if mode == "loss":
            return {"loss": shared_loss(logits, data_samples, self._kind)}
        return list(logits.cpu()) if mode == "predict" else logits

    def encode(self, pixels: Tensor) -> Tensor:
        """(B, S, S) uint8 -> features (B, D) float32."""
        encoder = self._aside[0] if self._aside[0] is not None else self.encoder
        images = normalised(pixels, self._preprocess)
        with (
            torch.set_grad_enabled(torch.is_grad_enabled() and not self._frozen),
            autocast_on(pixels.device.type, self._precision),
        ):
            features: Tensor = encoder.encode_images(images)
        return features.float()


class MoveItems(BaseDataPreprocessor):  # type: ignore[misc]
    """A batch of `medbench_tasks.pyramid.collate` -> the same on the model's device, the truths stacked (B, K)."""

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """``inputs`` stay pixels, or become float32 features."""
        inputs: Tensor | tuple[Tensor, ...] = data["inputs"]
        if isinstance(inputs, tuple):
            inputs = tuple(one.to(self.device, non_blocking=True).float() for one in inputs)
        else:
            inputs = inputs.to(self.device, non_blocking=True)
        return {"inputs": inputs, "data_samples": torch.stack(data["data_samples"]).to(self.device, non_blocking=True)}


def build_head(recipe: FineTuningRecipe, width: int, labels: int) -> nn.Module:
    """(B, width) -> (B, labels), freshly drawn from torch's generator."""
    pair = labels == 1 and recipe.binary_head == "softmax"
    linear = nn.Linear(width, 2 if pair else labels)
    if recipe.head_init == "truncated-normal":
        nn.init.trunc_normal_(linear.weight, std=TNI_DEVIATION, a=-2 * TNI_DEVIATION, b=2 * TNI_DEVIATION)
        nn.init.zeros_(linear.bias)
    steps = [nn.LayerNorm(width)] if recipe.head_norm else []
    return nn.Sequential(*steps, linear, *([Difference()] if pair else []))


class Difference(nn.Module):
    """Two logits -> that of the second class: softmax with cross-entropy over two is a sigmoid of their difference."""

    def forward(self, logits: Tensor) -> Tensor:
        """(B, 2) -> (B, 1)."""
        return logits[:, 1:] - logits[:, :1]


def masked_loss(logits: Tensor, truth: Tensor, kind: Kind) -> Tensor:
    """Mean binary cross-entropy of (N, K) logits where ``truth`` is not -1; of classes, cross-entropy of labelled rows.

    0, without gradient, where all is masked.
    """
    total, count = _masked_sums(logits, truth, kind)
    return total / count.clamp(min=1)


def shared_loss(logits: Tensor, truth: Tensor, kind: Kind) -> Tensor:
    """`masked_loss` over the batch of all processes, of which this one has the rows given."""
    total, count = sums_over_ranks(*_masked_sums(logits, truth, kind))
    return total / count.clamp(min=1)


def _masked_sums(logits: Tensor, truth: Tensor, kind: Kind) -> tuple[Tensor, Tensor]:
    """The sum of the losses, and how many they are."""
    known = truth >= 0
    if kind == "multi-class":
        rows = known.all(dim=1)
        losses = cross_entropy(logits, truth.clamp(min=0).argmax(dim=1), reduction="none") * rows
        return losses.sum(), rows.sum()
    losses = binary_cross_entropy_with_logits(logits, truth.clamp(min=0).to(logits.dtype), reduction="none") * known
    return losses.sum(), known.sum()


def probabilities(logits: Tensor, kind: Kind) -> Tensor:
    """(N, K) logits -> probabilities in double precision."""
    wide = logits.double()
    return wide.softmax(dim=1) if kind == "multi-class" else wide.sigmoid()
