"""The recipes and metrics of report generation, as plain data; importable without torch or numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar, Literal

from medbench.errors import UsageError
from medbench.specs import MetricSpec
from medbench_tasks.recipe_checks import check_positive, check_whole_numbers
from medbench_tasks.recipes import TrainingRecipe

_LEAST = MappingProxyType(
    {
        **TrainingRecipe.LEAST,
        **{"image_size": 0, "min_length": 0, "max_length": 3, "beams": 1, "views": 1, "grid": 1},
        **{"layers": 1, "width": 4, "heads": 1, "vocabulary": 300, "min_frequency": 1},
        **{"validate_studies": 0, "validate_beams": 1},
    }
)


@dataclass(frozen=True, kw_only=True)
class GenerationRecipe(TrainingRecipe):
    """How reports are read, written, learnt and compared.

    Reading: ``section`` is the dataset's report as it stands (the sample's first text), or its ``findings`` or
    ``impression``. References are cleaned by ``cleaning`` and cut to ``max_words`` (None = whole): so they are learnt.

    Writing: ``writer`` is the ``method`` itself, the standard ``decoder`` on its frozen feature maps, or ``auto``: the method
    where it is a ReportGenerator. Beam search with ``beams``, reports of ``min_length`` to ``max_length`` of the
    writer's tokens, its first token or prompt included. A study is read by up to ``views`` of its images by what is
    trained here; a method as it stands reads as many as it says.

    Learning: ``train`` fine-tunes the method's own generator, all of it; ``augment`` then is a random crop of the image scaled
    by its shorter side, and a flip. The decoder is always trained; it sees at most ``grid`` x ``grid`` mean features of the
    coarsest map of each image, and has ``layers`` of ``width`` with ``heads`` and ``dropout``. Its vocabulary is made from
    the training reports: up to ``vocabulary`` pieces of bytes that occur ``min_frequency`` times. ``label_smoothing`` is
    the decoder's. The epoch is chosen by ``select`` over reports written with ``validate_beams`` for ``validate_studies``
    of the validation part, evenly spaced (0 = all); of equal ones the latest.

    Comparing: what is written is cleaned as references are, unless ``clean_written`` is off, which then has its white space
    collapsed alone. Without ``stops``, the words ``.`` that end sentences are dropped from both before n-grams are counted
    (BLEU, ROUGE-L, CIDEr, METEOR), so that who learnt from text without them is not punished for it.

    ``labeller`` reads findings off reports for clinical efficacy, by ``rules``, by ``chexbert`` (an extra) or not at all
    (``none``); one that it is ``uncertain`` of counts as present or as absent. It reads what is written, what is true and the
    floors in one form, that of the references with their stops: cleaned and cut, whatever ``clean_written`` says. A cleaning
    without stops costs it the ends of sentences: between IU X-Ray's R2Gen test reports cleaned as ``motor`` and the same
    reports raw its findings have a micro F1 of 0.908, cleaned as ``r2gen`` of 0.999. ``radgraph`` compares reports in that
    form by RadGraph too (an extra). ``neighbour`` says whether the floor of the nearest training image is made, for which
    every training image is encoded.

    The method's own input size and normalisation are used, whatever the recipe: ``image_size`` is 0.
    """

    LEAST: ClassVar[Mapping[str, int]] = _LEAST

    requires: tuple[str, ...] = ("mmengine", "tokenizers", "transformers")
    image_size: int = 0
    section: Literal["report", "findings", "impression"] = "report"
    cleaning: Literal["none", "r2gen", "motor"] = "r2gen"
    clean_written: bool = True
    stops: bool = False
    max_words: int | None = None
    writer: Literal["auto", "method", "decoder"] = "auto"
    beams: int = 3
    min_length: int = 5
    max_length: int = 90
    views: int = 2
    train: bool = False
    grid: int = 7
    layers: int = 4
    width: int = 256
    heads: int = 8
    dropout: float = 0.1
    vocabulary: int = 4096
    min_frequency: int = 3
    label_smoothing: float = 0.1
    select: Literal["cider", "bleu-4"] = "cider"
    validate_studies: int = 300
    validate_beams: int = 1
    labeller: Literal["rules", "chexbert", "none"] = "rules"
    uncertain: Literal["present", "absent"] = "present"
    radgraph: bool = False
    neighbour: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_words is not None:
            check_whole_numbers(self, {"max_words": 1})
        for name in ("dropout", "label_smoothing"):
            if getattr(self, name) != 0:
                check_positive(self, name)
            if getattr(self, name) >= 1:
                raise UsageError(f"recipe field {name} cannot be {getattr(self, name)!r}", fix="use less than 1")
        if self.width % self.heads:
            raise UsageError(
                f"recipe field width cannot be {self.width}", fix=f"use a multiple of the {self.heads} heads"
            )
        if self.min_length >= self.max_length:
            raise UsageError(
                f"recipe field min_length cannot be {self.min_length}",
                fix=f"use less than max_length, {self.max_length}",
            )
        if self.train and self.writer == "decoder":
            raise UsageError("recipe field train is for the method's own generator", fix="set writer to auto or method")
        self._check_fixed()

    def _check_fixed(self) -> None:
        """Inherited fields that this protocol does not follow must say what it does."""
        fixed = {"image_size": 0, "batchnorm": "frozen", "normalise": "method", "freeze_encoder": not self.train}
        fixed |= {} if self.train else {"augment": False}
        for name, value in fixed.items():
            if getattr(self, name) != value:
                raise UsageError(
                    f"recipe field {name} cannot be {getattr(self, name)!r} in report generation", fix=f"use {value!r}"
                )


STANDARD_GENERATION = GenerationRecipe(
    fraction_overrides=(
        (0.01, (("batch_size", 8), ("epochs", 100), ("patience", 100), ("validate_every", 10))),
        (0.1, (("batch_size", 16), ("epochs", 80), ("patience", 80), ("validate_every", 8))),
    ),
    epochs=40,
    batch_size=32,
    lr=5e-4,
    weight_decay=0.05,
    decay="matrices",
    patience=40,
    validate_every=4,
    warmup_epochs=2,
    schedule="cosine",
    clip_grad=1.0,
)
"""Sound practice for a few thousand studies: references in R2Gen's cleaning, uncut and compared without stops, a method that
writes as it stands.

An encoder gets a decoder of 4 layers of 256, about as deep as those trained on IU X-Ray from nothing and narrower, so that
2,000 reports can train it. Beam search and lengths are MOTOR's (arXiv 2304.14204, released code). The epoch is chosen by
CIDEr, which moves with every word, greedily and on at most 300 studies, since writing costs more than a pass of training.
"""

STANDARD_GENERATION_MIMIC = replace(
    STANDARD_GENERATION,
    fraction_overrides=(
        (0.01, (("epochs", 40), ("patience", 40), ("validate_every", 4), ("warmup_epochs", 2))),
        (0.1, (("epochs", 16), ("patience", 16), ("validate_every", 2))),
    ),
    epochs=8,
    batch_size=64,
    patience=8,
    validate_every=1,
    warmup_epochs=1,
    views=1,
)
"""The same for the 270,790 single images of MIMIC-CXR, in fewer epochs."""

QUICK_GENERATION = replace(
    STANDARD_GENERATION,
    fraction_overrides=(),
    epochs=16,
    batch_size=8,
    lr=2e-3,
    patience=16,
    warmup_epochs=1,
    views=1,
    grid=4,
    layers=2,
    width=64,
    heads=4,
    vocabulary=1024,
    max_length=60,
    validate_studies=32,
)
"""A narrow decoder for a few epochs, to see on a CPU that everything works; its numbers are not those of `standard`."""

MOTOR_GENERATION = GenerationRecipe(
    seeds=(42,),
    train=True,
    freeze_encoder=False,
    augment=True,
    cleaning="motor",
    clean_written=False,
    stops=True,
    max_words=90,
    optimiser="adam",
    amsgrad=True,
    epochs=50,
    batch_size=16,
    lr=1e-5,
    weight_decay=5e-5,
    clip_value=0.1,
    patience=50,
    select="bleu-4",
    validate_studies=0,
    validate_beams=3,
)
"""MOTOR's fine-tuning on IU X-Ray as released (arXiv 2304.14204; Generation_BLIP.py and generation_api).

Both views, Adam with amsgrad at a constant 1e-5 (its step after 50 epochs never comes), gradients clipped by value, the
epoch of best validation BLEU-4, the later of equal ones. References are cleaned and cut to 90 words, what is written is
compared as it is decoded. Images are scaled by their shorter side, cropped at random and flipped, text about sides
notwithstanding. Label smoothing is the method's own.
"""

MOTOR_GENERATION_MIMIC = replace(MOTOR_GENERATION, views=1)
"""The same on MIMIC-CXR, where the release reads the first image of a study."""

METRICS = (
    MetricSpec(name="ce-macro-f1", title="clinical F1, macro over 14 findings"),
    MetricSpec(
        name="ce-macro-f1-as-released", title="clinical F1, macro with 0 for a finding that is absent", as_released=True
    ),
    MetricSpec(name="cider", title="CIDEr", largest=10.0),
    MetricSpec(name="bleu-4", title="BLEU-4"),
    MetricSpec(name="bleu-3", title="BLEU-3"),
    MetricSpec(name="bleu-2", title="BLEU-2"),
    MetricSpec(name="bleu-1", title="BLEU-1"),
    MetricSpec(name="rouge-l", title="ROUGE-L"),
    MetricSpec(name="meteor", title="METEOR"),
    MetricSpec(name="ce-micro-f1", title="clinical F1, micro over 14 findings"),
    MetricSpec(name="ce-micro-precision", title="clinical precision, micro over 14 findings"),
    MetricSpec(name="ce-micro-recall", title="clinical recall, micro over 14 findings"),
    MetricSpec(name="ce-micro-f1-5", title="clinical F1, micro over 5 findings"),
    MetricSpec(name="ce-macro-f1-5", title="clinical F1, macro over 5 findings"),
    MetricSpec(name="radgraph-f1", title="RadGraph F1, entities and whether they are related"),
    MetricSpec(name="distinct-share", title="distinct reports among those written"),
)
"""Clinical macro F1 ranks, over those of the 14 findings that a true report has, because one report for all gains little by it.

Not nothing: a finding that a share p of the true reports has, named in every report, scores 2p / (1 + p). On IU X-Ray's
R2Gen test part (12 of the 14 occur) the most frequent training report, written for every study, has 0.071, all of it for No
Finding; one sentence that names the 13 others, the floor ``every-finding``, has 0.068; a training report at random for each
study 0.083. The constant has CIDEr 0.33 to the random one's 0.12 and micro F1 0.68 to 0.40, since most studies have no finding.
The share of distinct reports tells it too. The labeller is named in the recipe and its version kept with the predictions; its
agreement with annotators is in docs/reference/metrics.md.
"""
