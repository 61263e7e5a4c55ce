"""The recipes of fine-tuning, and of heads trained over images, as plain data; importable without torch or numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

from medbench_tasks.classification.recipe import LabelRecipe, check_label_reading
from medbench_tasks.recipe_checks import check_positive
from medbench_tasks.recipes import TrainingRecipe

if TYPE_CHECKING:
    from medbench_tasks.finetuning.model import Kind
    from medbench_tasks.finetuning.validation import Score


@dataclass(frozen=True, kw_only=True)
class FineTuningRecipe(TrainingRecipe, LabelRecipe):
    """A linear head on an encoder that is trained along, or stays frozen.

    ``image_size`` is the side of the encoder's input, 0 for the one that the method asks for. ``frame`` is how an image
    becomes square: ``method`` as the method does it; ``mgca`` pads it to a square of 8/7 of the side and crops the centre;
    ``benchx`` scales the shorter side and crops the centre; ``motor`` squashes it. ``normalise`` may also be ``benchx``:
    mean 0.4978, deviation 0.2449.

    ``augment`` is what training does to an image: ``none``; ``crop``, a random crop of the frame; ``moco2``, that with
    brightness, contrast, blur and flip; ``mild``, a random resized crop of 0.6 to 1 of the area; ``benchx``, one of 0.08
    to 1 with flip; ``medslip``, one of 0.2 to 1 with flip and RandAugment; ``motor``, the largest square anywhere, with flip.
    Resized crops are taken from the whole image
    (padded to a square, where the frame pads), which is kept at ``source_scale`` times the frame's size; where the frame
    keeps the image's aspect, areas and shapes of crops are those in the image itself.

    ``head_norm`` puts a LayerNorm before the linear layer. ``head_init`` draws that layer's weights as torch does, or from
    a normal of deviation 2e-5 truncated at twice that, with biases 0. ``binary_head`` concerns a single label: one logit
    under a sigmoid, or two under a softmax.

    ``select`` chooses the epoch on the validation part: the lowest ``loss``, or the highest ``auroc`` or ``f1`` (at 0.5, or
    of the likeliest class), macro over the labels that have both classes there, or ``accuracy``, of the likeliest class or
    macro at 0.5; where no label has both, the loss. ``ranking`` is the metric that ranks by the kind of target: accuracy of
    classes that exclude each other, else AUROC. ``thresholds`` that the predictions carry are those of best F1 on the
    validation part, or ``half``.

    ``published_settings`` says in the record that the fields are those that a publication chose for this very method
    (`medbench.specs.Recipe.method_settings`); it changes nothing.
    """

    LEAST: ClassVar[Mapping[str, int]] = MappingProxyType({**TrainingRecipe.LEAST, "image_size": 0})

    requires: tuple[str, ...] = ("mmengine",)
    image_size: int = 0
    freeze_encoder: bool = False
    augment: Literal["none", "crop", "moco2", "mild", "benchx", "medslip", "motor"] = "mild"  # type: ignore[assignment]
    frame: Literal["method", "mgca", "benchx", "motor"] = "method"
    normalise: Literal["method", "half", "benchx"] = "method"  # type: ignore[assignment]
    source_scale: float = 1.25
    head_norm: bool = False
    head_init: Literal["torch", "truncated-normal"] = "torch"
    binary_head: Literal["sigmoid", "softmax"] = "sigmoid"
    select: Literal["ranking", "loss", "auroc", "f1", "accuracy"] = "ranking"
    thresholds: Literal["validation", "half"] = "validation"
    published_settings: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_label_reading(self)
        check_positive(self, "source_scale")

    @property
    def encoder_stays(self) -> bool:
        """Whether an image's features stay the same through the training."""
        return self.freeze_encoder and self.batchnorm == "frozen"

    @property
    def encoder_is_constant(self) -> bool:
        """Whether the features of training images can be computed once: they stay, and images are not augmented."""
        return self.encoder_stays and self.augment == "none"

    def score_for(self, kind: Kind) -> Score:
        """What ``select`` is called where targets are of that kind."""
        if self.select != "ranking":
            return self.select
        return "accuracy" if kind == "multi-class" else "auroc"


STANDARD_FINE_TUNING = FineTuningRecipe(
    fraction_overrides=(
        (0.01, (("batch_size", 16), ("epochs", 100), ("patience", 100), ("validate_every", 4))),
        (0.1, (("epochs", 50), ("patience", 50))),
    ),
    epochs=30,
    batch_size=32,
    lr=5e-4,
    encoder_lr=0.1,
    weight_decay=0.05,
    decay="matrices",
    patience=30,
    warmup_epochs=1,
    schedule="cosine",
    clip_grad=1.0,
)
"""Sound practice, one setting for every encoder.

AdamW, because one pair of rates then serves convolutional nets and transformers alike, which SGD does not; a tenth of the
head's rate for the encoder, so that a new head does not undo what was learnt before; warm-up, cosine and clipping, because
large transformers diverge without. The schedule runs to its end, longer in epochs where an epoch is a few steps. Crops are
mild, since a finding may be small and at the edge, and nothing is flipped: a chest's left and right are not alike. The
epoch is chosen by the metric that ranks, on the validation part.
"""

QUICK_FINE_TUNING = replace(
    STANDARD_FINE_TUNING, fraction_overrides=(), epochs=4, batch_size=16, lr=1e-3, patience=4, source_scale=1.0
)
"""A few epochs, to see on a CPU that everything works; its numbers are not those of `standard`."""

MGCA_LINEAR = FineTuningRecipe(
    seeds=(42,),
    epochs=50,
    batch_size=48,
    lr=5e-4,
    weight_decay=1e-6,
    patience=10,
    freeze_encoder=True,
    augment="crop",
    frame="mgca",
    normalise="half",
    source_scale=1.0,
    drop_last=True,
    select="loss",
)
"""MGCA's linear classification (its released scripts for RSNA and COVIDx): a frozen encoder in eval mode, a linear head on
its pooled feature, AdamW at a constant rate, random crops of 224 from the padded 256, the epoch of lowest validation loss.

Validation keeps its last batch, where the release drops one that is not full. The published fractions are drawn with seed
42 from the training table; here they are the nested subsets that every recipe uses.
"""

MGCA_LINEAR_CHEXPERT = replace(
    MGCA_LINEAR,
    augment="moco2",
    blank="absent",
    uncertain="absent",
    uncertain_present=("Atelectasis", "Edema", "Pleural Effusion"),
)
"""MGCA's linear classification on CheXpert: MoCo v2's augmentation, a blank read as absent, and the uncertain ones as the
release's constants say: present for atelectasis, edema and pleural effusion, absent for cardiomegaly and consolidation."""

MEDST_LINEAR_COVIDX = replace(MGCA_LINEAR, epochs=200, batch_size=96)
"""MedST's linear classification on COVIDx: MGCA's, with 200 epochs and batches of 96 as its shell script has them."""

MEDSLIP_SIIM = FineTuningRecipe(
    epochs=200,
    batch_size=64,
    lr=1e-5,
    weight_decay=0.02,
    decay="matrices",
    patience=200,
    augment="medslip",
    source_scale=2.0,
    drop_last=True,
    select="auroc",
)
"""MeDSLIP's fine-tuned classification of SIIM-ACR (its released scripts): everything trained by AdamW at a constant 1e-5, no
decay on biases and norms, RandAugment, 200 epochs, no early stop, the epoch of best AUROC.

The release chooses that epoch on its test file, which is its validation file too; here on the validation part. Resized crops
are taken from the image at 448 pixels, the release's from the original. It sets no seed.
"""

MOTOR_DIAGNOSIS = FineTuningRecipe(
    seeds=(42,),
    epochs=50,
    batch_size=32,
    lr=1e-4,
    encoder_lr=0.1,
    weight_decay=5e-5,
    optimiser="adam",
    amsgrad=True,
    clip_value=0.1,
    clip_scope="encoder",
    patience=50,
    frame="motor",
    augment="motor",
    source_scale=1.5,
    select="f1",
    thresholds="half",
    blank="absent",
    uncertain="absent",
)
"""MOTOR's diagnosis (its released scripts): a linear layer on the [CLS] token, everything trained by Adam with AMSGrad at a
constant 1e-5, the head at 1e-4, the encoder's gradients clipped by value, the epoch of best validation macro F1 at 0.5.

A label counts as present where it is 1 and absent otherwise, as its author says. Of the metrics, specificity is averaged over
labels with a negative, in the release over labels with a positive. The release chooses one epoch for macro
and another for micro F1; here the one for macro F1 gives all numbers. Crops are taken from the image squashed to 336 pixels,
the release's from the image at its own aspect.
"""
