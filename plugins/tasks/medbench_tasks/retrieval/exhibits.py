"""Images that asked for their text, with where it came; which texts stood before it is not kept.

An image is right where a text of its own comes first. Its score is one over the expected rank of the first of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.protocols import Example, Shown
from medbench_tasks.exhibits import spread
from medbench_tasks.retrieval.predictions import queries_from

if TYPE_CHECKING:
    import pyarrow as pa

MEASURE = "one over the rank of its text"


def show_ranks(table: pa.Table, count: int) -> list[Example]:
    """Up to ``count`` right and ``count`` wrong images, spread over their ranks. Raises `TrialError` for an empty table."""
    queries = queries_from(table, "final", "i2t")
    texts = table.column("pool_texts")[0].as_py()
    ids = table.column("sample_id").to_pylist()
    sample_ids = [ids[row] for row in queries.row]
    ranks = queries.counts.ranks()
    return [
        Example(
            sample_id=sample_ids[query],
            right=bool(ranks[query] == 1),
            truth=Shown(text=f"its own text at rank 1 of {texts}"),
            answer=Shown(text=f"its own text at rank {ranks[query]:.10g} of {texts}"),
            score=float(1 / ranks[query]),
            measure=MEASURE,
        )
        for query in spread(sample_ids, ranks == 1, 1 / ranks, count)
    ]
