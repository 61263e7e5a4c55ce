"""The table of per-sample answers of retrieval by class: the first places of each row's query, enough to score again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from medbench.errors import TrialError
from medbench.manifest import ATTRIBUTES
from medbench_tasks.retrieval.class_ranking import Firsts
from medbench_tasks.retrieval.recipe import CUTS

if TYPE_CHECKING:
    from medbench.manifest import Manifest

_FIRSTS = pa.struct([pa.field(name, pa.int32(), nullable=False) for name in Firsts._fields])
SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("patient_id", pa.string(), nullable=False),
        pa.field("class", pa.string(), nullable=False),
        pa.field("pool_places", pa.int32(), nullable=False),
        *(pa.field(f"first_{cut}", _FIRSTS, nullable=False) for cut in CUTS),
        *(pa.field(name, pa.string()) for name in ATTRIBUTES),
    ]
)
"""``pool_places`` counts the stated texts, a place each: equal ones too, which the record's note ``pool_texts`` counts once.
``first_<K>`` are the first K texts for the row's image, see `medbench_tasks.retrieval.class_ranking.Firsts`.
"""


def class_table(rows: Manifest, classes: list[str], places: int, firsts: Mapping[int, Firsts]) -> pa.Table:
    """A table of `SCHEMA`: each of ``rows`` asked all ``places`` of the pool; ``classes`` are theirs by name."""
    columns = {f"first_{cut}": _structs(firsts[cut]) for cut in CUTS}
    table: pa.Table = pa.Table.from_pydict(
        {
            "sample_id": rows.sample_ids,
            "patient_id": rows.patient_ids,
            "class": classes,
            "pool_places": pa.repeat(pa.scalar(places, pa.int32()), len(rows)),
            **columns,
            **{name: rows.attribute(name) for name in ATTRIBUTES},
        },
        schema=SCHEMA,
    )
    return table


def firsts_from(table: pa.Table, cut: int) -> Firsts:
    """The first ``cut`` places of each row. Raises `TrialError` where the table has no row."""
    if not table.num_rows:
        raise TrialError("there is no prediction to score")
    column = table.column(f"first_{cut}").combine_chunks()
    return Firsts(*(part.to_numpy().astype(np.int64) for part in column.flatten()))


def _structs(firsts: Firsts) -> pa.StructArray:
    return pa.StructArray.from_arrays([pa.array(part, pa.int32()) for part in firsts], fields=list(_FIRSTS))
