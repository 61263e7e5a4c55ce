"""Hits and precision by class from the table of answers alone, with intervals over patients; the pool stays whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medbench.errors import UnknownNameError
from medbench.records import MetricValue
from medbench.statistics import patient_counts, weighted_sums
from medbench_tasks.retrieval.class_predictions import firsts_from
from medbench_tasks.retrieval.class_recipe import CLASS_METRICS
from medbench_tasks.retrieval.metrics import metric_value
from medbench_tasks.retrieval.recipe import CUTS


def score_classes(table: pa.Table, names: Sequence[str]) -> dict[str, MetricValue]:
    """The metrics of those names, ``n`` the images that ask. Raises `UnknownNameError`, `TrialError` for an empty table."""
    return score_with(table, names, patient_counts(table.column("patient_id").to_pylist()))


def score_with(table: pa.Table, names: Sequence[str], counts: NDArray[np.uint8]) -> dict[str, MetricValue]:
    """As `score_classes`, with given draws (rows, R) of the rows."""
    points = estimates(table, names, np.ones((table.num_rows, 1), np.uint8))
    replicates = estimates(table, names, counts)
    return {name: metric_value(float(points[name][0]), replicates[name], table.num_rows) for name in names}


def replicate_classes(table: pa.Table, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """The metrics' bootstrap replicates (R,)."""
    return estimates(table, names, patient_counts(table.column("patient_id").to_pylist()))


def estimates(table: pa.Table, names: Sequence[str], counts: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Each metric of ``names`` (R,) when each row stands ``counts`` (rows, R) times. Raises as `score_classes`."""
    values = by_image(table)
    for name in names:
        if name not in values:
            raise UnknownNameError("metric of retrieval by class", name, values)
    sums = weighted_sums(np.stack([*values.values(), np.ones(table.num_rows)], axis=1), counts)
    drawn = sums[:, -1]
    places = {name: place for place, name in enumerate(values)}
    return {
        name: np.divide(sums[:, places[name]], drawn, out=np.full_like(drawn, np.nan), where=drawn > 0)
        for name in names
    }


def by_image(table: pa.Table) -> dict[str, NDArray[np.float64]]:
    """(N,) of each metric: whether any of the first K texts is of the image's class, and how large a share of K is.

    Expected values, where equal scores border on the cut. Where the pool has fewer than K texts the places that it lacks
    count as misses, so that P@K is at most its size over K, as in the release's batches of 8.
    """
    found = {}
    for cut in CUTS:
        firsts = firsts_from(table, cut)
        found[f"class-precision-{cut}"] = firsts.found() / cut
        found[f"class-hit-{cut}"] = firsts.hits(cut)
    return {metric.name: found[metric.name] for metric in CLASS_METRICS}
