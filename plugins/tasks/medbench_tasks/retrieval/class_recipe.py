"""The recipe and metrics of retrieval by class, as plain data; importable without torch or numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medbench.specs import MetricSpec, Recipe
from medbench_tasks.retrieval.recipe import CUTS, DIRECTIONS

CLASS_METRICS = (
    *(
        MetricSpec(name=f"class-precision-{cut}", title=f"P@{cut}, {DIRECTIONS['i2t']}, by class")
        for cut in sorted(CUTS, key=lambda cut: cut != 5)
    ),
    *(MetricSpec(name=f"class-hit-{cut}", title=f"H@{cut}, {DIRECTIONS['i2t']}, by class") for cut in CUTS),
)
"""Precision at 5 ranks. At 1 hit and precision are one number, and it hangs on a single answer an image; hits at 5 and 10 are
near 1 for whatever is any good (a random order has 67 and 89 % of five classes), so that they tell methods apart the least.
"""


@dataclass(frozen=True, kw_only=True)
class ClassRetrievalRecipe(Recipe):
    """Images rank every text of the test part by the cosine of their embeddings; nothing is re-ranked, nothing trained.

    ``sections`` are sections of a report, of the dataset's details: a row's text is the first of them that it has. The
    dataset's own texts are taken of a row without any of them, or of all rows where ``sections`` is empty.
    """

    sections: tuple[Literal["findings", "impression"], ...] = ("findings", "impression")


STANDARD_CLASS_RETRIEVAL = ClassRetrievalRecipe()
"""One pool for all. BenchX's released code ranks inside a batch instead, of 8 or 1,000 as the configuration has it."""
