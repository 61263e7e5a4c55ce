"""Published records: copies of a results folder's JSON under ``records/`` of the leaderboard's folder, to be committed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from medbench.errors import StoreError
from medbench.leaderboard.text import shorten
from medbench.records import Record, encode
from medbench.store import ResultStore

RECORDS = "records"
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._-]{0,199}\Z")


@dataclass(slots=True)
class Added:
    """What became of each record, by key; ``refused`` are those left out with the reason, one line each."""

    new: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    phantom: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def published_store(folder: Path) -> ResultStore:
    """The published records of a leaderboard's folder."""
    return ResultStore(folder / RECORDS)


def publish(records: Iterable[Record], folder: Path, *, phantom: bool) -> Added:
    """Copy ``records`` below ``folder``; those of phantoms only where asked for.

    A record whose ids are no plain names, or that is no valid document, is refused. Raises `StoreError` where the folder
    cannot be written.
    """
    store, added = published_store(folder), Added()
    for record in records:
        label = shorten(f"{record.method_id} on {record.task}, key {record.key}", 200)
        if record.phantom and not phantom:
            added.phantom.append(label)
            continue
        if not all(_PART.match(part) for part in (record.task, record.method_id, record.key)):
            added.refused.append(f"{label}: its task, method or key is no plain name")
            continue
        try:
            content = encode(record)
        except StoreError as error:
            added.refused.append(f"{label}: {error}")
            continue
        path = store.path(record.task, record.method_id, record.key)
        old = _content(path)
        if old == content:
            added.unchanged.append(label)
        else:
            store.write_record(record)
            (added.new if old is None else added.replaced).append(label)
    return added


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}", fix="choose another --out") from error
