"""The table of per-sample answers: where the right candidates of each row's queries stand, enough to score again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medbench.errors import TrialError
from medbench.manifest import ATTRIBUTES
from medbench_tasks.retrieval.relevance import Counts

if TYPE_CHECKING:
    from medbench_tasks.retrieval.pool import Pool

READINGS = ("final", "embedding", "released")
"""``final`` ranks; ``embedding`` is by cosines alone; ``released`` counts exact pairs in the final order."""

_COUNTS = pa.struct([pa.field(name, pa.int32(), nullable=False) for name in Counts._fields])
SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("patient_id", pa.string(), nullable=False),
        pa.field("pool_images", pa.int32(), nullable=False),
        pa.field("pool_texts", pa.int32(), nullable=False),
        *(
            field
            for reading in READINGS
            for field in (
                pa.field(f"{reading}_i2t", _COUNTS),
                pa.field(f"{reading}_t2i", pa.list_(_COUNTS), nullable=False),
            )
        ),
        *(pa.field(name, pa.string()) for name in ATTRIBUTES),
    ]
)
"""``*_i2t`` is of the row's image, ``*_t2i`` of each of its texts, see `medbench_tasks.retrieval.relevance.Counts`.

An image or text that an earlier row has is not asked again: its place is null, or missing from the list. Exact pairs are
asked of every row.
"""


class Answer(NamedTuple):
    """Counts of the images' queries and of the texts'."""

    i2t: Counts
    t2i: Counts


class Answers(NamedTuple):
    """The readings of one method's answers: over the distinct images and texts twice, then over rows and stated texts."""

    final: Answer
    embedding: Answer
    released: Answer


def answer_table(pool: Pool, answers: Answers) -> pa.Table:
    """A table of `SCHEMA` for the rows of ``pool`` in order."""
    rows = len(pool.rows)
    columns: dict[str, pa.Array] = {}
    for reading, answer in zip(READINGS, answers, strict=True):
        exact = reading == "released"
        columns[f"{reading}_i2t"] = _sparse(answer.i2t, np.arange(rows) if exact else pool.first_rows, rows)
        columns[f"{reading}_t2i"] = _lists(answer.t2i, pool.row_of if exact else pool.first_stated, rows)
    table: pa.Table = pa.Table.from_pydict(
        {
            "sample_id": pool.rows.sample_ids,
            "patient_id": pool.rows.patient_ids,
            "pool_images": pa.repeat(pa.scalar(len(pool.images), pa.int32()), rows),
            "pool_texts": pa.repeat(pa.scalar(len(pool.texts), pa.int32()), rows),
            **columns,
            **{name: pool.rows.attribute(name) for name in ATTRIBUTES},
        },
        schema=SCHEMA,
    )
    return table


class Queries(NamedTuple):
    """Q queries: the row of the table that asks each (Q,), ascending, and their counts."""

    row: NDArray[np.int64]
    counts: Counts


def queries_from(table: pa.Table, reading: str, direction: str) -> Queries:
    """The queries of a table of `SCHEMA`. Raises `TrialError` where it has no row."""
    if not table.num_rows:
        raise TrialError("there is no prediction to score")
    column = table.column(f"{reading}_{direction}").combine_chunks()
    if direction == "i2t":
        row = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        values = column.drop_null()
    else:
        row = np.repeat(np.arange(len(column)), column.value_lengths().to_numpy())
        values = column.flatten()
    return Queries(row, Counts(*(part.to_numpy().astype(np.int64) for part in values.flatten())))


def _structs(counts: Counts) -> pa.StructArray:
    return pa.StructArray.from_arrays([pa.array(part, pa.int32()) for part in counts], fields=list(_COUNTS))


def _sparse(counts: Counts, at: NDArray[np.int64], rows: int) -> pa.Array:
    """A struct at each row of ``at``, null elsewhere."""
    places = np.full(rows, -1)
    places[at] = np.arange(len(at))
    return _structs(counts).take(pa.array(places, mask=places < 0))


def _lists(counts: Counts, row_of: NDArray[np.int64], rows: int) -> pa.Array:
    """Structs in the lists of the rows that they belong to; ``row_of`` ascends."""
    offsets = np.searchsorted(row_of, np.arange(rows + 1))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), _structs(counts), type=pa.list_(_COUNTS))
