"""The result of a trial: a typed, versioned JSON document that says what was measured and where it came from.

The schema is the product. Unknown fields are refused, so that a record from a newer medbench is not half-read; an older
one is migrated step by step. Never a user name, host name or absolute path.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from medbench.errors import NewerRecordError, StoreError

SCHEMA = 3


class MetricValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number on the test set. ``low``..``high`` is its 95 % interval, ``n`` the samples it is over.

    ``value`` is None where the metric is undefined on these predictions, and ``note`` then says why.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    note: str = ""


class Subset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The training samples of the trial: how many, their digest, and their ids where they are not the whole part."""

    n: int
    sha256: str
    sample_ids: list[str] | None = None


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a record came from.

    ``versions`` are of libraries and plugins; ``revision`` is the source revision, if any; ``peak_memory_mib`` is of the
    GPU for this trial, or of the process so far on a CPU.
    """

    medbench: str
    revision: str | None
    versions: dict[str, str]
    device: str
    precision: str
    started: str
    duration_s: float
    peak_memory_mib: float
    images_per_second: float | None = None


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One trial's result.

    ``key`` hashes all that determines the result; ``phantom`` is true when data or weights were generated; ``floors`` are
    the metrics of trivial answers on the same test samples, ``ceilings`` those of the best answers that the protocol leaves
    open.

    ``replicates`` are the bootstrap replicates of the metrics that the protocol offers them for, as little-endian float32
    (NaN where undefined; `medbench.replicates` reads them), so that two records can be paired without their predictions.
    They may be where ``samples_sha256``, the digest of the test samples and their ``test_patients``, agrees.
    """

    schema: int
    key: str
    phantom: bool
    task: str
    task_version: int
    method: str
    variant: str
    method_version: int
    dataset: str
    dataset_version: int
    split: str
    recipe: str
    recipe_values: dict[str, Any]
    recipe_overrides: dict[str, Any]
    fraction: float
    seed: int
    checkpoint_sha256: str | None
    manifest_sha256: str
    subset: Subset
    test_n: int
    metrics: dict[str, MetricValue]
    floors: dict[str, dict[str, MetricValue]]
    ceilings: dict[str, dict[str, MetricValue]]
    notes: dict[str, float]
    provenance: Provenance
    samples_sha256: str | None = None
    test_patients: int | None = None
    replicates: dict[str, bytes] = {}

    @property
    def method_id(self) -> str:
        """``mgca@resnet50``."""
        return f"{self.method}@{self.variant}"

    @property
    def patients(self) -> int:
        """How many patients the test samples are of, as far as the record says: else as many as there are samples."""
        return self.test_n if self.test_patients is None else self.test_patients

    @property
    def recipe_label(self) -> str:
        """``standard``, or ``standard[epochs=4]`` where the user changed it."""
        return recipe_label(self.recipe, self.recipe_overrides)


def recipe_label(name: str, overrides: Mapping[str, Any]) -> str:
    """A recipe's name with what the user changed, sorted by field; a sequence reads as ``64:32``."""
    if not overrides:
        return name
    changes = ",".join(f"{field}={_override_text(value)}" for field, value in sorted(overrides.items()))
    return f"{name}[{changes}]"


def _override_text(value: Any) -> str:
    return ":".join(str(item) for item in value) if isinstance(value, list | tuple) else str(value)


def _with_ceilings(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "schema": 2, "ceilings": {}}


def _without_replicates(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "schema": 3}


_MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _with_ceilings, 2: _without_replicates}
"""By the schema number it starts from: a function that lifts a document one version up."""

_encoder = msgspec.json.Encoder(order="deterministic")


def encode(record: Record) -> bytes:
    """The record as indented UTF-8 JSON; the same record gives the same bytes. Raises `StoreError` on NaN or infinity."""
    for path, number in _floats(msgspec.to_builtins(record)):
        if not math.isfinite(number):
            raise StoreError(f"{path} of {record.method_id} on {record.task} is {number}")
    return msgspec.json.format(_encoder.encode(record), indent=1) + b"\n"


def decode(data: bytes, where: str) -> Record:
    """Read a record, migrating an older schema. Raises `StoreError` naming ``where``."""
    try:
        document = msgspec.json.decode(data)
        if not isinstance(document, dict) or type(document.get("schema")) is not int:
            raise StoreError(f"{where} is not a medbench record")
        while document["schema"] < SCHEMA:
            document = _MIGRATIONS[document["schema"]](document)
        if document["schema"] > SCHEMA:
            raise NewerRecordError(
                f"{where} has schema {document['schema']}, this medbench reads {SCHEMA}", fix="upgrade medbench"
            )
        return msgspec.convert(document, Record)
    except (msgspec.DecodeError, KeyError, ValueError, RecursionError) as error:
        raise StoreError(f"{where} is not a valid record ({error})", fix="delete it and run the trial again") from error


def _floats(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every float in a document with its path, ``metrics.map.value``."""
    if isinstance(value, float):
        yield path, value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _floats(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _floats(part, path)
