"""Published records: copies of a results folder's JSON under ``records/`` of the leaderboard's folder, to be committed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medbench.errors import NewerRecordError, StoreError
from medbench.leaderboard.rows import differing, trial_of
from medbench.leaderboard.text import shorten
from medbench.records import Record, all_metrics, decode, encode
from medbench.specs import TaskSpec
from medbench.store import ResultStore

RECORDS = "records"
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._-]{0,199}\Z")
_ROUNDING = 1e-9


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


def publish(
    records: Iterable[Record], folder: Path, tasks: Mapping[str, TaskSpec], *, phantom: bool, replace: bool = False
) -> Added:
    """Copy ``records`` below ``folder``; those of phantoms only where asked for.

    Refused are records whose ids are no plain names, that are no valid document, whose numbers cannot be (those of ``tasks``
    among them), and that contradict another: one given here, or one published, unless they may ``replace`` it. Raises
    `StoreError` where the folder cannot be written.
    """
    store, added = published_store(folder), Added()
    given: defaultdict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in records:
        given[trial_of(record)].append(record)
    for record in (record for same in given.values() for record in same):
        label = shorten(f"{record.method_id} on {record.task}, key {record.key}", 200)
        if record.phantom and not phantom:
            added.phantom.append(label)
            continue
        reason = _refusal(record, given[trial_of(record)], tasks.get(record.task))
        path = store.path(record.task, record.method_id, record.key)
        old = None if reason else _content(path)
        if old is not None:
            reason = _contradiction(record, old, path, replace=replace)
        if reason:
            added.refused.append(f"{label}: {reason}")
        elif old == encode(record):
            added.unchanged.append(label)
        else:
            store.write_record(record)
            (added.new if old is None else added.replaced).append(label)
    return added


def _refusal(record: Record, same: Sequence[Record], task: TaskSpec | None) -> str:
    """What is wrong with a record in itself, or beside others of the same trial; empty for nothing."""
    if not all(_PART.match(part) for part in (record.task, record.method_id, record.key)):
        return "its task, method or key is no plain name"
    try:
        encode(record)
    except StoreError as error:
        return str(error)
    specs = {metric.name: metric for metric in task.metrics} if task is not None else {}
    for label, name, found in all_metrics(record):
        spec = specs.get(name)
        if spec is None or spec.unit != "percent":
            continue
        for number in (found.value, found.low, found.high):
            if number is not None and abs(number) > spec.largest * (1 + _ROUNDING):
                return f"{label} is {number:.6g}, a share of at most {spec.largest:g}"
    names = differing(*same)
    return f"{len(same)} records of that trial are given, which differ in {', '.join(names)}" if names else ""


def _contradiction(record: Record, published: bytes, path: Path, *, replace: bool) -> str:
    """Why the published record of the same trial stays; a damaged one does not."""
    try:
        other = decode(published, str(path))
    except NewerRecordError as error:
        return str(error)
    except StoreError:
        return ""
    names = [] if replace else differing(other, record)
    return (
        f"the published record of that trial differs in {', '.join(names)} (--replace takes this one)" if names else ""
    )


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}", fix="choose another --out") from error
