"""Images that asked for reports, with how many of the first ten are of their class; which reports these are is not kept.

An image is right where a text of its class comes first for certain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.protocols import Example, Shown
from medbench_tasks.exhibits import spread
from medbench_tasks.retrieval.class_metrics import by_image
from medbench_tasks.retrieval.recipe import CUTS

if TYPE_CHECKING:
    import pyarrow as pa

LAST = max(CUTS)
MEASURE = f"share of the first {LAST} texts that are of its class"


def show_classes(table: pa.Table, count: int) -> list[Example]:
    """Up to ``count`` right and ``count`` wrong images, spread over their scores. Raises `TrialError` for an empty table."""
    values = by_image(table)
    right, shares = values["class-precision-1"] == 1, values[f"class-precision-{LAST}"]
    ids, classes = (table.column(name).to_pylist() for name in ("sample_id", "class"))
    texts = table.column("pool_places")[0].as_py()
    return [
        Example(
            sample_id=ids[row],
            right=bool(right[row]),
            truth=Shown(text=classes[row]),
            answer=Shown(text=f"{LAST * shares[row]:.3g} of the first {LAST} of {texts} texts are of {classes[row]}"),
            score=float(shares[row]),
            measure=MEASURE,
        )
        for row in spread(ids, right, shares, count)
    ]
