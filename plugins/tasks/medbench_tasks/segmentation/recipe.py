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

MEDSLIP_METRICS = (
    MetricSpec(name="iou-plus-one-as-released", title="IoU (one pixel added to both, all images)", as_released=True),
)
"""What MeDSLIP's script prints beside `METRICS`: its ``mIoU``. Its Dice is ``dice-all``."""


@dataclass(frozen=True, kw_only=True)
class SegmentationRecipe(TrainingRecipe):
    """A decoder on a method's feature maps, one class against background.

    ``loss`` is ``bce-dice`` or the published ``mixed``. ``mask_frame`` says how a mask becomes square: ``squash`` with the
    image by area, ``nearest`` with the image as MeDSLIP does, or ``pad`` to keep its aspect and its soft edges, as MGCA
    does. ``select`` is what the best epoch is chosen by on the validation part: the lowest ``loss``, or the highest mean
    ``dice`` over images with foreground (over all images where none has) or ``dice-all`` over all. ``augmentation``, where
    the recipe augments, is MGCA's ``turn`` (rotation and scale) or MeDSLIP's ``crop`` (random crop and mirror).
    ``decoder`` is the one that fits the encoder's ``strides``, or MeDSLIP's ``resunet``, for maps of strides 2 to 16.
    ``balance_train`` keeps all training images with foreground and as many without.
    ``decoder_width`` is that of the U-Net decoder at full size, 16 as published; PUP's is four times as wide, and ``resunet``'s
    is 64 as published. With ``mixed`` the U-Net also starts as the published one does.
    """

    loss: Literal["bce-dice", "mixed"] = "bce-dice"
    mask_frame: Literal["squash", "nearest", "pad"] = "squash"
    select: Literal["dice", "dice-all", "loss"] = "dice"
    augmentation: Literal["turn", "crop"] = "turn"
    decoder: Literal["strides", "resunet"] = "strides"
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

MEDSLIP_SEGMENTATION_SIIM = SegmentationRecipe(
    epochs=1000,
    batch_size=64,
    lr=1e-5,
    weight_decay=0.02,
    decay="matrices",
    patience=1000,
    freeze_encoder=False,
    drop_last=True,
    augment=True,
    augmentation="crop",
    mask_frame="nearest",
    select="dice-all",
    decoder="resunet",
    decoder_width=64,
)
"""The published protocol on SIIM (MeDSLIP's released scripts): encoder and decoder trained, the rate constant.

Its 1000 epochs are those of the released configuration, which is for 1 % of the training images. Differences: the best
epoch is chosen by Dice on the validation part, where the release chooses it on the test images; the last batch of an
evaluation is kept, where the release drops it; crops are cut from images squashed to 512 pixels, where the release cuts
them from the originals; what is drawn is drawn by the seed, where the release does not seed. A method without maps of
strides 2 to 16 is refused.
"""

QUICK_SEGMENTATION = replace(
    STANDARD_SEGMENTATION, fraction_overrides=(), epochs=12, batch_size=4, lr=5e-3, validate_every=4, decoder_width=8
)
"""A narrow decoder trained for minutes on a CPU: to see that everything works, never to rank."""
