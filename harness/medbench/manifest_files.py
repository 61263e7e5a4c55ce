"""A manifest's table on disk, and the hash of its content.

Parquet is the truth. Of a large one an Arrow file beside it is memory-mapped, so that rows which nobody touches take no
memory; it is made from the Parquet when first read, and made again where it does not fit to it or is damaged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from xxhash import xxh3_128

from medbench.errors import MissingDataError, StoreError
from medbench.files import write_atomically
from medbench.manifest import SCHEMA

_ROWS = 16_384
"""Of a row group and of a record batch: what is in memory at once while one file is made from the other."""
_LARGE = 50_000
"""Rows from which on a table is mapped: below, reading the Parquet is as quick."""
_BLOCK = 1 << 20


def content_hash(table: pa.Table, *, dataset: str, version: int, names: Sequence[Sequence[str]]) -> str:
    """SHA-256 over the dataset's id, its reader's version, what its numbers mean and every cell.

    ``names`` are the label names, the label values and the box names. It is independent of Parquet's own bytes.
    """
    digest = hashlib.sha256(repr((dataset, version, [list(one) for one in names])).encode())
    for batch in table.to_batches(max_chunksize=4096):
        for row in batch.to_pylist():
            digest.update(repr(sorted(row.items())).encode())
    return digest.hexdigest()


def write_table(table: pa.Table, path: Path) -> None:
    """Write Parquet at ``path``; the caller makes it atomic."""
    pq.write_table(table, path, compression="zstd", row_group_size=_ROWS)


def read_table(path: Path) -> pa.Table:
    """Read a manifest's table. Raises `MissingDataError` where it is damaged."""
    try:
        with pq.ParquetFile(path) as file:
            large = file.schema_arrow == SCHEMA and file.metadata.num_rows >= _LARGE
            table = _mapped(file, path) if large else file.read()
    except (OSError, pa.ArrowException) as error:
        raise MissingDataError(f"the manifest {path.name} is damaged", fix="medbench data prepare --force") from error
    if table.schema != SCHEMA:
        raise MissingDataError(f"the manifest {path.name} has other columns", fix="medbench data prepare --force")
    return table


def _mapped(file: pq.ParquetFile, path: Path) -> pa.Table:
    """The table from ``<stem>-<digest of the Parquet>-<its own digest>.arrow``; read whole where that cannot be written."""
    stem = f"{path.stem}-{_digest(path)}"
    for place in path.parent.glob(f"{stem}-*.arrow"):
        with suppress(OSError, pa.ArrowException):
            if place.stem == f"{stem}-{_digest(place)}":
                return _open(place)
    try:
        made = path.with_name(f"{stem}.arrow")
        write_atomically(made, lambda partial: _copy(file, partial))
        place = made.with_name(f"{stem}-{_digest(made)}.arrow")
        for older in path.parent.glob(f"{path.stem}-*-*.arrow"):
            older.unlink(missing_ok=True)
        made.replace(place)
        return _open(place)
    except (OSError, StoreError):  # a cache that cannot be written costs memory only
        return file.read()


def _copy(file: pq.ParquetFile, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
        for batch in file.iter_batches(batch_size=_ROWS, use_threads=False):
            writer.write_batch(batch.cast(SCHEMA))
            pa.default_memory_pool().release_unused()


def _open(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def _digest(path: Path) -> str:
    digest = xxh3_128()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
