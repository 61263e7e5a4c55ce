"""Checks of bootstrap replicates: of known metrics, around the score, over the draws of patients that all methods share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from medbench.protocols import Analysis
from medbench.records import MetricValue, Record
from medbench.replicates import Replicates, replicates_of
from medbench.runner import MODEL, model_rows
from medbench.specs import Recipe, TaskSpec
from medbench.testing.contract import Check, Finding, LeftOut, attempt

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

_DRAW = "draw patients with medbench.statistics.patient_counts, which goes by their ids"
_OTHERS = 0.75
"""Replicates over other draws differ by as much as shuffled ones: by this share of it they are told from shared draws."""
_SHARE_OF_WIDTH = 0.25
"""How far an interval may lie from that of the replicates, of its width: a protocol may draw more of them for it."""


class Scorer(msgspec.Struct, frozen=True):
    """A task's protocol with its recipe."""

    task: TaskSpec
    recipe: Recipe
    protocol: Analysis

    def replicates(self, rows: pa.Table) -> dict[str, Numbers]:
        """Each metric's, as a record keeps them."""
        import numpy as np

        found: Replicates = replicates_of(self.task, self.recipe, self.protocol, rows)
        return {name: np.frombuffer(data, "<f4").astype(np.float64) for name, data in found.by_metric.items()}


def check_replicates(where: str, scorer: Scorer, record: Record, predictions: pa.Table) -> Check:
    """Their names, their spread, and that neither the order of rows nor another method's answers move the draws."""
    rows = model_rows(predictions)
    drawn = attempt(where, "replicates", lambda: scorer.replicates(rows))
    if isinstance(drawn, Finding | LeftOut):
        yield drawn
        return
    for name in sorted(drawn.keys() - {metric.name for metric in scorer.task.metrics}):
        yield Finding(where, f"it gives replicates of '{name}', which is no metric of it")
    ranking = scorer.task.metrics[0].name
    if ranking not in drawn:
        yield LeftOut(where, f"{ranking}, which ranks, has no replicates: no two methods are tested against each other")
    yield from _check_spread(where, drawn, record.metrics)
    turned = attempt(where, "replicates", lambda: scorer.replicates(turned_round(rows)))
    if isinstance(turned, Finding | LeftOut):
        yield turned
        return
    for name, first in drawn.items():
        if not _same(first, turned.get(name)):
            yield Finding(where, f"the replicates of {name} are others when the rows are in another order", _DRAW)
            return
    yield from _check_draws(where, scorer, drawn, predictions)


def turned_round(table: pa.Table) -> pa.Table:
    """The rows, last first."""
    return table.take(list(range(table.num_rows - 1, -1, -1)))


def _same(first: Numbers, second: Numbers | None) -> bool:
    import numpy as np

    return (
        second is not None
        and first.shape == second.shape
        and bool(np.allclose(first, second, atol=1e-5, equal_nan=True))
    )


def _check_spread(where: str, drawn: Mapping[str, Numbers], metrics: Mapping[str, MetricValue]) -> Check:
    """Their percentiles are the interval that is told of the metric."""
    from medbench.statistics import interval_of

    for name, values in drawn.items():
        found = metrics.get(name)
        interval = interval_of(values)
        if found is None or found.low is None or found.high is None or interval is None:
            continue
        room = _SHARE_OF_WIDTH * (found.high - found.low) + 1e-4 * max(1.0, abs(found.high))
        if max(abs(interval.low - found.low), abs(interval.high - found.high)) > room:
            said = f"{interval.low:.4g} to {interval.high:.4g}, its interval is {found.low:.4g} to {found.high:.4g}"
            yield Finding(where, f"the replicates of {name} run from {said}", "both must be of the same metric")


def _check_draws(where: str, scorer: Scorer, drawn: Mapping[str, Numbers], predictions: pa.Table) -> Check:
    """One patient's answers are changed: where a draw leaves that patient out, nothing may change.

    The other answers are those of a floor. A metric that looks at more than the samples drawn (a rank among all texts) moves
    a little everywhere; draws that are not the same move as much as any two.
    """
    import numpy as np

    from medbench.statistics import patient_counts

    mixed = _with_one_patient_s_floor(predictions)
    if mixed is None:
        yield LeftOut(where, "pairing of replicates: no floor answers otherwise than the method on the same rows")
        return
    rows, patient = mixed
    other = attempt(where, "replicates of other answers", lambda: scorer.replicates(rows))
    if isinstance(other, Finding | LeftOut):
        yield other
        return
    ids = rows.column("patient_id").to_pylist()
    left_out = patient_counts(ids)[ids.index(patient)] == 0
    as_released = {
        metric.name for metric in scorer.task.metrics if metric.as_released
    }  # may look at all samples at once
    for name in sorted(drawn.keys() - as_released):
        values = drawn[name]
        first, second = values[left_out], other.get(name, values * np.nan)[left_out]
        defined = np.isfinite(first) & np.isfinite(second)
        first, second = first[defined], second[defined]
        if len(first) < 2:
            continue
        moved = np.var(first - second)  # a shift of all (a threshold that is chosen on all samples) is no other draw
        shuffled = np.var(first - np.roll(second, 1))
        if moved > _OTHERS * shuffled and moved > 1e-9:
            yield Finding(where, f"the replicates of {name} are over other draws when the answers are others", _DRAW)
            return


def _with_one_patient_s_floor(predictions: pa.Table) -> tuple[pa.Table, str] | None:
    """The method's rows with those of one patient put in from a floor that answers otherwise, and who that is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = model_rows(predictions).sort_by("sample_id")
    for source in predictions.column("source").unique().to_pylist():
        if source == MODEL:
            continue
        others = predictions.filter(pc.equal(predictions.column("source"), source))
        others = others.drop_columns(["source"]).sort_by("sample_id")
        if others.column("sample_id") != rows.column("sample_id"):
            continue
        for patient in sorted(set(rows.column("patient_id").to_pylist())):
            its = pc.equal(rows.column("patient_id"), patient)
            if rows.filter(its) != others.filter(its):
                kept = rows.filter(pc.invert(its))
                return pa.concat_tables([kept, others.filter(its)]), patient
    return None
