"""The recipes and metrics of grounding, as plain data; importable without torch or numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from medbench.errors import UsageError
from medbench.specs import MetricSpec, Recipe
from medbench_tasks.recipe_checks import check_choices, check_whole_numbers

METRICS = (
    MetricSpec(name="pointing-game", title="pointing game (share of the peak inside)"),
    MetricSpec(name="iou", title="IoU"),
    MetricSpec(name="dice", title="Dice"),
    MetricSpec(name="recall", title="recall of pixels"),
    MetricSpec(name="precision", title="precision of pixels"),
    MetricSpec(name="pointing-game-as-released", title="pointing game (any pixel of the peak)", as_released=True),
)
"""The peak is every pixel of the highest relevance, usually one cell of the map.

As published, one of its pixels inside the truth is a hit, which a map that is the same everywhere always scores. The first
metric, which ranks, takes the share of the peak that lies inside: the chance of a hit when one of its pixels is drawn.
"""


@dataclass(frozen=True, kw_only=True)
class GroundingRecipe(Recipe):
    """Where a method sees a finding, on images that have it, against boxes or masks drawn at ``side`` x ``side`` pixels.

    A pixel is answered where its relevance is above ``threshold``, which is meant for maps of ``cells`` cells: relevance
    that sums to one is spread over more or fewer of them in another map, and the threshold is scaled with it. With
    ``divide_by="batch-maximum"``, as released, relevance is divided by the maximum of ``batch_size`` images first, and the
    threshold is taken as it is. ``equalise`` spreads each image's histogram before the method's own preprocessing.

    ``map`` is the method's own relevance (`medbench.capabilities.Grounder`), or a ``product`` of it with where it sees places,
    for methods that offer ``ground_product``. ``released_stream`` asks a method for the form that its released script runs
    where that differs from how it was trained. A method without them raises `UsageError`.
    """

    threshold: float = 0.008
    cells: int = 196
    map: Literal["attention", "product"] = "attention"
    released_stream: bool = False
    divide_by: Literal["nothing", "batch-maximum"] = "nothing"
    batch_size: int = 64
    side: int = 224
    equalise: bool = False

    def __post_init__(self) -> None:
        check_choices(self)
        check_whole_numbers(self, {"cells": 1, "batch_size": 1, "side": 8})
        if not math.isfinite(self.threshold):
            raise UsageError(f"recipe field threshold cannot be {self.threshold!r}", fix="use a finite number")


STANDARD_GROUNDING = GroundingRecipe()
"""The threshold of MedKLIP's script on raw attention, where an even spread over 14 x 14 cells is 0.0051."""

STANDARD_GROUNDING_RSNA = replace(STANDARD_GROUNDING, equalise=True)
"""The same, on images as MeDSLIP's release prepares those of RSNA."""

AS_RELEASED_GROUNDING_RSNA = replace(
    STANDARD_GROUNDING_RSNA, released_stream=True, divide_by="batch-maximum", threshold=0.0
)
"""MeDSLIP's release: every pixel is above 0, so that IoU and Dice are those of the all-ones answer whatever the model.

It is meant for the dataset's split ``medslip``, the list that the release ships. Not reproduced: the projection of the queries,
which the release leaves at random because it looks for it under another name.
"""

AS_RELEASED_PRODUCT_RSNA = replace(AS_RELEASED_GROUNDING_RSNA, map="product", threshold=0.01)
"""The same with the product map (the release's ``use_ws_p`` branch), above a hundredth of the batch's maximum."""
