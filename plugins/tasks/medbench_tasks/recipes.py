"""The hyper-parameters of protocols that train a head over images, as frozen dataclasses; importable without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar, Literal

from medbench.errors import UsageError
from medbench.specs import Recipe
from medbench_tasks.recipe_checks import check_choices, check_positive, check_whole_numbers

_LEAST = MappingProxyType(
    {
        **{"image_size": 32, "epochs": 1, "batch_size": 1, "patience": 1, "validate_every": 1, "validate_from": 1},
        **{"warmup_steps": 0, "schedule_steps": 0},
    }
)


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe(Recipe):
    """What `medbench_tasks.training.fit` needs to know.

    ``patience`` is the number of epochs without improvement after which training stops, ``validate_every`` the epochs
    between two validations. ``batchnorm`` says how a frozen encoder's BatchNorm behaves: ``frozen`` uses its running
    statistics, ``batch`` uses batch statistics and lets the running ones drift, as the released scripts do.
    ``validate_from`` is the first epoch that is validated (the last always is).
    ``optimiser`` is ``adamw``, ``adam`` (its decay joins the gradient), ``adamax`` or ``sgd`` with ``momentum``; ``amsgrad``
    is for the first two. An encoder that is
    trained has ``encoder_lr`` times the head's ``lr``; ``decay`` says whether ``weight_decay`` is on ``all`` parameters or
    on ``matrices`` alone, so not on biases and norms.
    ``schedule`` starts after ``warmup_epochs`` of linear warm-up; where ``schedule_steps`` is not 0, warm-up and schedule
    are ``warmup_steps`` and ``schedule_steps`` optimiser steps long, whatever the epochs, and the last rate then stays.
    ``clip_grad`` bounds the gradient's norm, ``clip_value`` each of its elements, of ``all`` parameters or of the encoder's
    alone as ``clip_scope`` says (None = off; not both).
    ``drop_last`` leaves out the last batch of a training epoch where it is not full, unless it is the only one; validation
    keeps its last batch always. ``normalise`` is ``method`` for the encoder's own mean and standard deviation, or
    ``half`` for 0.5 whatever the encoder, as in the MGCA release.
    A field out of its range or choices raises `UsageError`; ``LEAST`` are the least values of whole numbers.
    """

    LEAST: ClassVar[Mapping[str, int]] = _LEAST

    image_size: int = 224
    epochs: int = 50
    batch_size: int = 16
    lr: float = 5e-4
    weight_decay: float = 1e-6
    betas: tuple[float, float] = (0.9, 0.999)
    patience: int = 10
    validate_every: int = 1
    validate_from: int = 1
    optimiser: Literal["adamw", "adam", "adamax", "sgd"] = "adamw"
    amsgrad: bool = False
    momentum: float = 0.9
    encoder_lr: float = 1.0
    decay: Literal["all", "matrices"] = "all"
    freeze_encoder: bool = True
    batchnorm: Literal["frozen", "batch"] = "frozen"
    augment: bool = False
    warmup_epochs: int = 0
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_steps: int = 0
    schedule_steps: int = 0
    clip_grad: float | None = None
    clip_value: float | None = None
    clip_scope: Literal["all", "encoder"] = "all"
    drop_last: bool = False
    normalise: Literal["method", "half"] = "method"

    def __post_init__(self) -> None:
        check_choices(self)
        check_whole_numbers(self, self.LEAST)
        check_positive(self, "lr")
        check_positive(self, "encoder_lr")
        if self.clip_grad is not None and self.clip_value is not None:
            raise UsageError("recipe fields clip_grad and clip_value exclude each other", fix="set one of them to none")
        if 0 < self.schedule_steps <= self.warmup_steps:
            raise UsageError(
                f"recipe field schedule_steps cannot be {self.schedule_steps}",
                fix=f"use more than the {self.warmup_steps} warmup_steps, or 0",
            )

    @property
    def encoder_is_constant(self) -> bool:
        """Whether an image's features stay the same through the training, so that they can be computed once."""
        return self.freeze_encoder and self.batchnorm == "frozen" and not self.augment


@dataclass(frozen=True, kw_only=True)
class DetectionRecipe(TrainingRecipe):
    """A YOLOv3 head on a method's pyramid.

    ``flavour`` names the assignment, loss and decoding: ``mmdet`` is mmdet's YOLOV3Head, ``mgca`` the published one.
    Detections under ``score_threshold`` are dropped, then those that overlap a better one by ``nms_iou``, then all but
    the best ``max_per_image``. ``neck_channels`` are those of the three scales, coarsest first; a narrower neck is for
    trying things out on a CPU.
    """

    flavour: Literal["mmdet", "mgca"] = "mmdet"
    score_threshold: float = 0.01
    nms_iou: float = 0.5
    max_per_image: int = 100
    neck_channels: tuple[int, int, int] = (512, 256, 128)


STANDARD_DETECTION = DetectionRecipe(
    fraction_overrides=((0.01, (("batch_size", 8), ("epochs", 100), ("patience", 100), ("validate_every", 5))),),
    epochs=50,
    batch_size=16,
    lr=5e-4,
    weight_decay=1e-4,
    patience=50,
    warmup_epochs=1,
    schedule="cosine",
    clip_grad=35.0,
)
"""Sound practice: mmdet's assignment, an encoder that stays as it is, a low score threshold so that AP sees the curve.

The schedule runs to its end, and is longer in epochs at 1 %, where an epoch is a few steps.
"""

QUICK_DETECTION = replace(
    STANDARD_DETECTION, fraction_overrides=(), epochs=12, batch_size=8, lr=2e-3, neck_channels=(64, 32, 32)
)
"""A tenth of the standard recipe's work, for trying things out on a CPU; its numbers are not those of `standard`."""

MGCA_DETECTION_RSNA = DetectionRecipe(
    seeds=(42,),
    fraction_overrides=((0.01, (("lr", 2e-4), ("batch_size", 8))),),
    epochs=50,
    batch_size=16,
    lr=5e-4,
    weight_decay=1e-6,
    patience=10,
    batchnorm="batch",
    drop_last=True,
    normalise="half",
    flavour="mgca",
    score_threshold=0.5,
    nms_iou=0.5,
    max_per_image=100,
)
"""The published protocol on RSNA (MGCA's released scripts; 1 %: lr 2e-4 and batch 8, 10 % and 100 %: 5e-4 and 16).

Training drops a last batch that is not full, as released; validation keeps it, where the release drops it too.
"""

MGCA_DETECTION_OBJECT_CXR = replace(
    MGCA_DETECTION_RSNA, fraction_overrides=((0.01, (("lr", 2.5e-4), ("batch_size", 8))),)
)
"""The published protocol on Object-CXR (MGCA's released scripts; 1 %: lr 2.5e-4 and batch 8)."""
