"""The result of a trial: a typed, versioned JSON document that says what was measured and where it came from.

The schema is the product. Unknown fields are refused, so that a record from a newer medbench is not half-read; an older
one is migrated step by step. Never a user name, host name or absolute path.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from medbench.errors import NewerRecordError, StoreError

SCHEMA = 3
LARGEST = 1e12
"""No metric is larger: what is, is a mistake, and its sums would overflow."""
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./@+-]*\Z")
"""Text that a label may hold as it is."""
_WORDS = frozenset({"None", "True", "False", "nan", "inf"})
"""What a value of another type reads as."""


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
    def tested(self) -> str | None:
        """What tells the test samples and their patients apart; None where the record does not say how many they are."""
        return None if self.test_patients is None else self.samples_sha256

    @property
    def patients(self) -> int:
        """How many patients the test samples are of, as far as the record says: else as many as there are samples."""
        return self.test_n if self.test_patients is None else self.test_patients

    @property
    def recipe_label(self) -> str:
        """``standard``, or ``standard[epochs=4]`` where the user changed it."""
        return recipe_label(self.recipe, self.recipe_overrides)


def recipe_label(name: str, overrides: Mapping[str, Any]) -> str:
    """A recipe's name with what the user changed, as `changes_text`."""
    return f"{name}[{changes_text(overrides)}]" if overrides else name


def changes_text(values: Mapping[str, Any]) -> str:
    """``epochs=4,widths=64:32``: by field; a sequence of one ends with a colon; other values never read the same.

    Text that could be taken for something else (a number, several values, another field) stands in quotation marks.
    """
    return ",".join(f"{_text(field)}={_value_text(value)}" for field, value in sorted(values.items()))


def _value_text(value: Any) -> str:
    if not isinstance(value, list | tuple):
        return _text(value)
    return ":".join(map(_text, value)) + (":" if len(value) == 1 else "") if value else "[]"


def _text(value: Any) -> str:
    """A scalar, or what is nested in a sequence."""
    if isinstance(value, str):
        return value if _PLAIN.match(value) and value not in _WORDS else json.dumps(value)
    return json.dumps(value) if isinstance(value, list | tuple | dict) else str(value)


def _with_ceilings(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "schema": 2, "ceilings": {}}


def _without_replicates(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "schema": 3}


_MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _with_ceilings, 2: _without_replicates}
"""By the schema number it starts from: a function that lifts a document one version up."""

_encoder = msgspec.json.Encoder(order="deterministic")


def encode(record: Record) -> bytes:
    """The record as indented UTF-8 JSON; the same record gives the same bytes. Raises `StoreError` on what `decode` refuses."""
    for path, number in _floats(msgspec.to_builtins(record)):
        if not math.isfinite(number):
            raise StoreError(f"{path} of {record.method_id} on {record.task} is {number}")
    wrong = impossible(record)
    if wrong:
        raise StoreError(f"{record.method_id} on {record.task}: {wrong}")
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
        record = msgspec.convert(document, Record)
    except (msgspec.DecodeError, KeyError, ValueError, RecursionError) as error:
        raise StoreError(f"{where} is not a valid record ({error})", fix="delete it and run the trial again") from error
    wrong = impossible(record)
    if wrong:
        raise StoreError(f"{where} is not a valid record ({wrong})", fix="delete it and run the trial again")
    return record


def impossible(record: Record) -> str:
    """Which of a record's numbers no trial can give, whatever its task; empty where all may be."""
    if not 0 < record.fraction <= 1:
        return f"its fraction is {record.fraction}, not above 0 and at most 1"
    if record.test_n < 0:
        return f"it has {record.test_n} test samples"
    for name, _, found in all_metrics(record):
        if any(number is not None and not abs(number) <= LARGEST for number in (found.value, found.low, found.high)):
            return f"{name} is {found.value} ({found.low} to {found.high})"
    return ""


def all_metrics(record: Record) -> Iterator[tuple[str, str, MetricValue]]:
    """How it is told of (``map``, of a floor or ceiling ``prior.map``), the metric's name, and the number."""
    yield from ((name, name, found) for name, found in record.metrics.items())
    for bounds in (record.floors, record.ceilings):
        for bound, metrics in bounds.items():
            yield from ((f"{bound}.{name}", name, found) for name, found in metrics.items())


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
