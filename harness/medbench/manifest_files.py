"""A manifest's table on disk, and the hash of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from medbench.errors import MissingDataError
from medbench.manifest import SCHEMA


def content_hash(table: pa.Table, *, dataset: str, version: int, names: Sequence[Sequence[str]]) -> str:
    """SHA-256 over the dataset's id, its reader's version, what its numbers mean and every cell.

    ``names`` are the label names, the label values and the box names. It is independent of Parquet's own bytes.
    """
    digest = hashlib.sha256(repr((dataset, version, [list(one) for one in names])).encode())
    for batch in table.combine_chunks().to_batches(max_chunksize=4096):
        for row in batch.to_pylist():
            digest.update(repr(sorted(row.items())).encode())
    return digest.hexdigest()


def write_table(table: pa.Table, path: Path) -> None:
    """Write Parquet at ``path``; the caller makes it atomic."""
    pq.write_table(table, path, compression="zstd")


def read_table(path: Path) -> pa.Table:
    """Read a manifest's table. Raises `MissingDataError` where it is damaged."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise MissingDataError(f"the manifest {path.name} is damaged", fix="medbench data prepare --force") from error
    if table.schema != SCHEMA:
        raise MissingDataError(f"the manifest {path.name} has other columns", fix="medbench data prepare --force")
    return table
