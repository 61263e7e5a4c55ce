"""The recipes and metrics of segmentation, as plain data; importable without torch or numpy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from medbench.specs import MetricSpec
from medbench_tasks.recipes import TrainingRecipe

METRICS = (
    MetricSpec(name="dice-positive", title="Dice (images with foreground)"),
    MetricSpec(name="dice-all", title="Dice (all images, empty on empty = 1)"),
    MetricSpec(name="iou-positive", title="IoU (images with foreground)"),
    MetricSpec(name="dice-as-released", title="Dice (mean of batch means)", as_released=True),
)
"""The first ranks: over all images an all-background answer scores the share of empty ones, which is most."""


@dataclass(frozen=True, kw_only=True)
class SegmentationRecipe(TrainingRecipe):
    """A decoder on a method's feature maps, one class against background.

    ``loss`` is ``bce-dice`` or the published ``mixed``. ``mask_frame`` says how a mask becomes square: ``squash`` with the
    image, or ``pad`` to keep its aspect and its soft edges, as published. ``select`` is what the best epoch is chosen by
    on the validation part: the lowest ``loss``, or the highest mean ``dice`` over images with foreground (over all
    images where none has). ``balance_train`` keeps all training images with foreground and as many without.
    ``decoder_width`` is that of the U-Net decoder at full size, 16 as published; PUP's is four times as wide.
    With ``mixed`` the U-Net also starts as the published one does.
    """

    loss: Literal["bce-dice", "mixed"] = "bce-dice"
    mask_frame: Literal["squash", "pad"] = "squash"
    select: Literal["dice", "loss"] = "dice"
    balance_train: bool = False
    decoder_width: int = 16


STANDARD_SEGMENTATION = SegmentationRecipe(
    fraction_overrides=((0.01, (("batch_size", 8), ("epochs", 100), ("validate_every", 5))),),
    epochs=50,
    batch_size=16,
    lr=5e-4,
    weight_decay=0.01,
    patience=100,
    warmup_epochs=1,
    schedule="cosine",
    clip_grad=1.0,
)
"""Sound practice: the encoder stays as it is, so that scores compare encoders; the best epoch by the metric that ranks.

The schedule runs to its end: with few images Dice may stay 0 for the first dozen epochs, which patience would take for
the end of learning.
"""

MGCA_SEGMENTATION_SIIM = SegmentationRecipe(
    seeds=(42,),
    fraction_overrides=((0.1, (("seeds", (0,)),)),),
    epochs=50,
    batch_size=8,
    lr=5e-4,
    weight_decay=0.05,
    patience=10,
    batchnorm="batch",
    drop_last=True,
    normalise="half",
    augment=True,
    loss="mixed",
    mask_frame="pad",
    select="loss",
    balance_train=True,
)
"""The published protocol on SIIM (MGCA's released scripts; 10 %: seed 0), with two differences.

Training drops a last batch that is not full, as released, but validation keeps it, where the release drops it too.
Augmentation acts on the image already squashed to 224 pixels, where the release warps the one of 1024 first.
"""

MGCA_SEGMENTATION_RSNA = replace(MGCA_SEGMENTATION_SIIM, fraction_overrides=(), batch_size=16, balance_train=False)
"""The published protocol on RSNA: batch 16, all negatives kept."""

QUICK_SEGMENTATION = replace(
    STANDARD_SEGMENTATION, fraction_overrides=(), epochs=12, batch_size=4, lr=5e-3, validate_every=4, decoder_width=8
)
"""A narrow decoder trained for minutes on a CPU: to see that everything works, never to rank."""
