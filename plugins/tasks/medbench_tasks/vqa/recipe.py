"""The recipes and metrics of visual question answering, as plain data; importable without torch or numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar, Literal

from medbench.errors import UsageError
from medbench.specs import MetricSpec
from medbench_tasks.recipe_checks import check_positive, check_whole_numbers
from medbench_tasks.recipes import TrainingRecipe

METRICS = (
    MetricSpec(name="accuracy", title="Accuracy"),
    MetricSpec(name="closed-accuracy", title="Accuracy, closed questions"),
    MetricSpec(name="open-accuracy", title="Accuracy, open questions"),
    MetricSpec(name="open-token-f1", title="Token F1, open questions"),
    MetricSpec(name="open-bleu-1", title="BLEU-1, open questions"),
)
"""Exact match of normalised answers ranks; the last two give an open answer credit for its words."""

_LEAST = MappingProxyType({"image_size": 0, "min_count": 1, "max_words": 1, "width": 1, "layers": 1, "heads": 1})
_MEANINGLESS = MappingProxyType({"image_size": 0, "augment": False, "batchnorm": "frozen", "normalise": "method"})


@dataclass(frozen=True, kw_only=True)
class VqaRecipe(TrainingRecipe):
    """How questions are answered.

    ``way``: ``method`` lets a method that answers questions do so, and trains the fusion head on any other; ``fusion`` trains
    that head on the frozen patch features of every method; ``two-heads`` fine-tunes the method's own net with one head for
    closed and one for open questions, each question sent to its head by its true type, as MOTOR's release does.

    ``inference`` concerns answerers: ``rank`` chooses from the answers of the training part, in their commonest wording there,
    ``generate`` writes one freely.
    Answers that occur at least ``min_count`` times in the training part can be given. Where the split has no validation part,
    ``holdout`` of the training images, with all their questions, is one.

    The fusion head reads the first ``max_words`` words of a question; it is ``width`` wide and looks at the image ``layers``
    times with ``heads`` attention heads. Images come to a net as the method prepares them, so ``image_size``, ``augment``,
    ``batchnorm`` and ``normalise`` must stay as they are. ``open_branch`` and ``mask_padding`` are those of
    `medbench.capabilities.QuestionLearner`. ``question_only`` trains the head once more without images, as a
    floor.
    A field out of its range or choices raises `UsageError`.
    """

    LEAST: ClassVar[Mapping[str, int]] = MappingProxyType({**TrainingRecipe.LEAST, **_LEAST})

    requires: tuple[str, ...] = ("mmengine",)
    image_size: int = 0
    way: Literal["method", "fusion", "two-heads"] = "method"
    inference: Literal["rank", "generate"] = "rank"
    min_count: int = 1
    holdout: float = 0.1
    max_words: int = 35
    width: int = 256
    layers: int = 2
    heads: int = 4
    dropout: float = 0.3
    open_branch: Literal["copied", "drawn"] = "copied"
    mask_padding: bool = True
    question_only: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole_numbers(self, self.LEAST)
        check_positive(self, "holdout")
        if self.holdout >= 1 or not 0 <= self.dropout < 1:
            raise UsageError("recipe fields holdout and dropout are shares of 1", fix="use less than 1")
        if self.width % self.heads:
            raise UsageError(
                f"recipe field width cannot be {self.width} with {self.heads} heads", fix="use a multiple of heads"
            )
        fixed = {**_MEANINGLESS, "freeze_encoder": self.way != "two-heads"}
        for name, value in fixed.items():
            if getattr(self, name) != value:
                raise UsageError(f"recipe field {name} has no meaning for questions", fix=f"leave it at {value}")


STANDARD_VQA = VqaRecipe(
    fraction_overrides=(
        (0.01, (("batch_size", 8), ("epochs", 60), ("patience", 60), ("validate_from", 40))),
        (0.1, (("batch_size", 16), ("epochs", 45), ("patience", 45), ("validate_from", 30))),
    ),
    epochs=30,
    patience=30,
    validate_from=20,
    batch_size=32,
    lr=1e-3,
    weight_decay=0.05,
    decay="matrices",
    warmup_epochs=2,
    schedule="cosine",
    clip_grad=1.0,
)
"""Answers from the training part alone, by the method's own ranking where it has one, else by the standard fusion head.

One head over all answers: nothing tells it whether a question is closed or open. AdamW, warm-up and cosine; of the last third
of the epochs, the one of best accuracy on the validation part. Not of all: where test images occur in train too (VQA-RAD), held
out images are harder than the test part, and a few hundred questions would pick an early epoch by chance.
"""

FUSION_VQA = replace(STANDARD_VQA, way="fusion")
"""The fusion head for methods that answer questions too, so that their image encoders compare with all others."""

GENERATE_VQA = replace(STANDARD_VQA, inference="generate")
"""Answers written freely, where a method can; an encoder gets the fusion head as in `standard`."""

QUICK_VQA = replace(
    STANDARD_VQA, fraction_overrides=(), epochs=8, patience=8, validate_from=6, warmup_epochs=1, width=128, layers=1
)
"""A few epochs of a narrow head, to see on a CPU that everything works; its numbers are not those of `standard`."""

MOTOR_VQA = VqaRecipe(
    seeds=(5,),
    way="two-heads",
    freeze_encoder=False,
    optimiser="adamax",
    lr=1e-4,
    weight_decay=0.0,
    epochs=300,
    patience=300,
    batch_size=64,
    clip_grad=0.25,
    drop_last=True,
    open_branch="drawn",
    mask_padding=False,
    question_only=False,
)
"""MOTOR's classification of VQA-RAD and SLAKE (its release, VQA.py with ``--test_C --add_typeatt2``): two heads, the true type
of a question chooses one, Adamax at a constant 1e-4, binary cross-entropy on each head, 300 epochs.

Three things differ from the release, which cannot be called sound there: the epoch is chosen on a held-out part of train
(there on the test part), images are neither cropped nor flipped at random (there at test time too), and the answers are those
of the training part (the release's SLAKE list holds test answers). As released, the branch of open questions is drawn and
padding takes part in the weights of words, so that a question's answer depends on the longest one beside it:
``--set open_branch=copied --set mask_padding=true`` is the sounder net. No question-only floor: it would cost the same again.
"""
