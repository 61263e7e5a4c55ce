"""The bootstrap replicates that a record keeps, and the paired test of two sets of records that stands on them.

A record's replicates are over draws of patients that depend on the patients alone (`medbench.statistics`), so that those of
two records on the same samples are paired, whenever and wherever they were made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medbench.errors import MedbenchError, TrialError
from medbench.protocols import Analysis
from medbench.records import Record
from medbench.specs import Recipe, TaskSpec

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from medbench.statistics import PairedTest

_FORM = "<f4"
_BYTES = 4


@dataclass(frozen=True, slots=True)
class Replicates:
    """What a record keeps of them: digest of samples and patients, number of patients, each metric's numbers as bytes."""

    samples_sha256: str
    patients: int
    by_metric: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pairing:
    """The paired test of two sets of records; without a ``test``, ``reason`` says why there is none."""

    test: PairedTest | None
    reason: str = ""


def replicates_of(task: TaskSpec, recipe: Recipe, protocol: object, predictions: pa.Table) -> Replicates:
    """The replicates of a model's own predictions, as a record keeps them; none where the protocol offers no `Analysis`.

    Raises `TrialError` where the protocol gives another number of them than `medbench.statistics.REPLICATES`.
    """
    import numpy as np

    from medbench.statistics import REPLICATES

    digest = samples_digest(predictions)
    patients = len(predictions.column("patient_id").unique())
    if not isinstance(protocol, Analysis):
        return Replicates(digest, patients)
    packed = {}
    for name, values in sorted(protocol.replicates(task, recipe, predictions).items()):
        if np.shape(values) != (REPLICATES,):
            raise TrialError(f"task '{task.id}' gave replicates of {name} of shape {np.shape(values)}")
        packed[name] = np.asarray(values, _FORM).tobytes()
    return Replicates(digest, patients, packed)


def samples_digest(predictions: pa.Table) -> str:
    """SHA-256 of the test samples and their patients, whatever the order of the rows."""
    columns = (predictions.column(name).to_pylist() for name in ("sample_id", "patient_id"))
    digest = hashlib.sha256()
    for pair in sorted(zip(*columns, strict=True)):
        for text in pair:
            data = text.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def mean_replicates(records: Sequence[Record], metric: str) -> NDArray[np.float64] | None:
    """(R,) the mean over records (seeds) of that metric's replicates; None unless all have as many, on the same samples."""
    found = [record.replicates.get(metric, b"") for record in records]
    tested = {record.tested for record in records}
    if not are_packed(found) or len(tested) != 1 or None in tested:
        return None
    return mean_of_packed(found)


def are_packed(found: Sequence[bytes]) -> bool:
    """Whether these are replicates as records keep them, as many in each, and at least one of them."""
    sizes = {len(one) for one in found}
    return len(sizes) == 1 and 0 not in sizes and not sizes.pop() % _BYTES


def mean_of_packed(found: Sequence[bytes]) -> NDArray[np.float64]:
    """(R,) their mean, draw by draw; NaN where any is not finite. They must be `are_packed`."""
    import numpy as np

    values = np.asarray([np.frombuffer(one, _FORM) for one in found], np.float64)
    mean: NDArray[np.float64] = np.mean(np.where(np.isfinite(values), values, np.nan), axis=0)
    return mean


def pair(records: Sequence[Record], others: Sequence[Record], metric: str) -> Pairing:
    """The paired test of ``records`` against ``others`` (each the seeds of one method) under a metric: first minus second.

    Never raises; whatever stands against a test is its reason.
    """
    from medbench.statistics import paired_difference

    values = [_mean_value(one, metric) for one in (records, others)]
    if values[0] is None or values[1] is None:
        return Pairing(None, "the metric is undefined or absent in some seed")
    tested = {one.tested for one in (*records, *others)}
    if len(tested) > 1:
        return Pairing(None, "other test samples, or other patients")
    replicates = [mean_replicates(one, metric) for one in (records, others)]
    if replicates[0] is None or replicates[1] is None:
        return Pairing(None, "the records keep no replicates of it (medbench rescore makes them)")
    patients = min(record.patients for record in (*records, *others))
    try:
        test = paired_difference(replicates[0], replicates[1], values[0], values[1], patients)
    except MedbenchError as error:
        return Pairing(None, str(error))
    return Pairing(test, "" if test is not None else "too few draws in which both are defined")


def _mean_value(records: Sequence[Record], metric: str) -> float | None:
    """The mean over seeds; None where any lacks it."""
    found = [record.metrics[metric].value for record in records if metric in record.metrics]
    values = [value for value in found if value is not None]
    return sum(values) / len(values) if values and len(values) == len(records) else None


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, in their order (Holm, Scandinavian Journal of Statistics 6, 1979)."""
    corrected = [0.0] * len(p_values)
    floor = 0.0
    for position, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        floor = max(floor, min(1.0, p_values[index] * (len(p_values) - position)))
        corrected[index] = floor
    return corrected
