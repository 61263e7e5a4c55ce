"""The recipes of zero-shot classification, as plain data; importable without torch or numpy."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from medbench_tasks.classification.metrics_catalogue import MULTI_CLASS, MULTI_LABEL, metrics_named
from medbench_tasks.classification.recipe import LabelRecipe
from medbench_tasks.recipe_checks import check_positive
from medbench_tasks.zeroshot.prompts import TEMPLATE, Texts, check_set, check_texts, read_prompts

Ensemble = Literal["mean-then-normalise", "normalise-then-mean", "max"]

METRICS_MULTI_LABEL = (*MULTI_LABEL, *metrics_named("balanced-accuracy-as-released"))
"""For labels asked one by one; AUROC ranks."""
METRICS_MULTI_CLASS = MULTI_CLASS
"""For one class out of several; accuracy ranks."""


@dataclass(frozen=True, kw_only=True)
class ZeroShotRecipe(LabelRecipe):
    """Labels asked in words, by ``prompts`` of a text encoder or ``queries`` that a method knows; ``auto`` prefers prompts.

    ``prompts`` names a set (``template``, ``biovil-rsna``, ``chexpert-5x200``), or a JSON file of the user's own, ending in
    ``.json``, which is read when the recipe is made: its content moves into ``texts``, and so into the trial's key and record,
    and the file is not needed afterwards. ``prompts`` then is the file's stem and the first 8 hex digits of the texts' digest,
    so that a table's labels tell two contents of one file apart. Another name raises `UsageError`.

    ``ensemble`` makes one of several prompts, as `medbench_tasks.zeroshot.similarity.similarity` says. ``temperature``
    divides cosines before the softmax over classes; it moves calibration, never the answer.

    ``thresholds`` are what F1 and accuracy of labels asked one by one hang on: ``validation`` takes those of the highest F1
    on the validation part, where there is one; ``fixed`` calls a label present where its positive prompts are nearer than
    its negative ones, or its queried probability is above one half. ``equalise`` spreads each image's histogram before it
    is queried; prompts leave images as the method takes them.
    """

    by: Literal["auto", "prompts", "queries"] = "auto"
    prompts: str = TEMPLATE
    texts: Texts = ()
    ensemble: Ensemble = "mean-then-normalise"
    temperature: float = 0.07
    thresholds: Literal["validation", "fixed"] = "validation"
    equalise: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "temperature")
        read = read_prompts(Path(self.prompts)) if self.prompts.endswith(".json") else self.texts
        object.__setattr__(self, "texts", check_texts(read))
        if self.texts:
            object.__setattr__(self, "prompts", _label_of(self.prompts, self.texts))
        else:
            check_set(self.prompts)


def _label_of(prompts: str, texts: Texts) -> str:
    """``own-1a2b3c4d`` of ``folder/own.json``, or of itself: a record holds no folder of the user's."""
    digest = hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:8]
    return prompts if prompts.endswith(f"-{digest}") else f"{Path(prompts).stem}-{digest}"


STANDARD_ZEROSHOT = ZeroShotRecipe()
"""Two plain sentences for every label of any dataset."""

STANDARD_ZEROSHOT_RSNA = ZeroShotRecipe(prompts="biovil-rsna", equalise=True)
"""The eight published prompts; images for queries as MeDSLIP's release prepares those of RSNA."""

STANDARD_ZEROSHOT_5X200 = ZeroShotRecipe(prompts="chexpert-5x200", thresholds="fixed")
"""Five exclusive classes of 200 images each, which have no validation part."""

MEDST_RSNA = replace(STANDARD_ZEROSHOT_RSNA, by="prompts", seeds=(42,), thresholds="fixed")
"""The Med-ST release's zero-shot RSNA script: present where the positive prompts are nearer.

What it prints as AUROC is `balanced-accuracy-as-released`.
"""

MEDSLIP_RSNA = ZeroShotRecipe(by="queries", thresholds="fixed", equalise=True)
"""MeDSLIP's release on RSNA, whose F1 and accuracy are `f1-max-on-test` and `accuracy-at-max-f1`.

It is meant for the dataset's split ``medslip``, the list that the release ships: its figures are over those 5,337 images.
"""

MEDSLIP_CHESTXRAY14 = replace(MEDSLIP_RSNA, equalise=False)
"""MeDSLIP's release on ChestX-ray14, with the fourteen label columns taken by name."""
