"""The recipe and metrics of retrieval, as plain data; importable without torch or numpy."""

from __future__ import annotations

from dataclasses import dataclass, replace

from medbench.specs import MetricSpec, Recipe
from medbench_tasks.recipe_checks import check_whole_numbers

CUTS = (1, 5, 10)
DIRECTIONS = {"i2t": "image to text", "t2i": "text to image"}
RELEASED = "-as-released"

_RECALLS = tuple(
    MetricSpec(name=f"{way}-r{cut}", title=f"R@{cut}, {title}") for way, title in DIRECTIONS.items() for cut in CUTS
)

METRICS = (
    MetricSpec(name="mean-recall", title="Mean recall (R@1, 5 and 10, both ways)"),
    *_RECALLS,
    MetricSpec(name="rsum", title="RSUM (sum of the six recalls)", largest=6.0),
    *(
        MetricSpec(name=f"{way}-median-rank", title=f"Median rank, {title}", higher_is_better=False, unit="plain")
        for way, title in DIRECTIONS.items()
    ),
    MetricSpec(name="embedding-mean-recall", title="Mean recall by embeddings alone"),
    MetricSpec(name=f"mean-recall{RELEASED}", title="Mean recall, exact pairs (r_mean)", as_released=True),
    *(replace(one, name=one.name + RELEASED, title=f"{one.title}, exact pairs", as_released=True) for one in _RECALLS),
)
"""The first ranks. Recalls are shares of the queries, RSUM is out of 6 (shown out of 600), ranks count from 1.

A query is answered by any candidate that is right for it. The exact-pair metrics are those of BLIP's ``evaluation()``, which
MOTOR and the brain BLIP share: every row of the list is an image of its own, whatever it shows, and only its own texts are
right for it, so that duplicates count as misses. What is not re-ranked ties at -100 there, and of equal scores the later in the
pool stands first; from a list of 10 up no recall depends on that, but for embeddings that are equal.
"""


@dataclass(frozen=True, kw_only=True)
class RetrievalRecipe(Recipe):
    """Images find texts and texts find images in the whole test part, by the cosine of their embeddings.

    Of methods that match after fusion, the ``rerank`` nearest candidates of each query (all, if there are fewer) are put in
    the order of match logit + cosine, in front of the rest; 0 leaves the cosines' order. Nothing is trained. How texts are
    cleaned and cut is the method's own affair.
    """

    rerank: int = 256

    def __post_init__(self) -> None:
        check_whole_numbers(self, {"rerank": 0})


STANDARD_RETRIEVAL = RetrievalRecipe()
"""``k_test`` 256, as MOTOR's ``Retrieval_BLIP.py`` and the configuration for COCO of BLIP and the brain BLIP."""

EMBEDDING_RETRIEVAL = replace(STANDARD_RETRIEVAL, rerank=0)
"""By embeddings alone, which sets methods with and without a match head side by side."""
