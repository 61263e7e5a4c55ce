"""Checks of what a protocol makes of kept predictions: scores, replicates, groups, reliability, examples."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from medbench.protocols import Analysis, Exhibits, GroupValue, ReliabilityBin
from medbench.records import MetricValue, Record
from medbench.runner import model_rows, score
from medbench.specs import MetricSpec, Recipe, TaskSpec
from medbench.testing.contract import Check, Finding, LeftOut, attempt
from medbench.testing.fresh import ask
from medbench.testing.questions import SCORES
from medbench.testing.replicate_checks import Scorer, check_replicates, turned_round

if TYPE_CHECKING:
    import pyarrow as pa

_EXAMPLES = 3
_ROUNDING = 1e-6
_ALONE = "score() must use the predictions alone: keep in them all that it needs"


def check_record(where: str, task: TaskSpec, record: Record) -> Check:
    """Metrics in their range with intervals around them, and a floor."""
    known = {metric.name: metric for metric in task.metrics}
    for source, metrics in {"the method": record.metrics, **record.floors, **record.ceilings}.items():
        for name, found in metrics.items():
            at = f"{where}, {name} of {source}"
            if name not in known:
                yield Finding(at, "it is no metric of the task", "declare it in the spec's metrics")
                continue
            yield from _check_value(at, found, known[name])
    if not record.floors:
        mend = "give TrialOutcome.floors the answer of whoever looks at no image (the commonest class, the mean box)"
        yield Finding(where, "it has no floor", mend)


def check_scores(
    where: str, task: TaskSpec, recipe: Recipe, protocol: Any, record: Record, predictions: pa.Table
) -> Check:
    """The same from the kept predictions, when data, weights and caches are gone, in whatever order the rows are, and from a
    protocol that never saw the run.
    """

    def here(table: pa.Table) -> Mapping[str, MetricValue]:
        return score(task, recipe, protocol, table, ceilings=record.ceilings).metrics

    def elsewhere() -> Mapping[str, MetricValue]:
        return msgspec.convert(ask(SCORES, task, recipe, predictions, list(record.ceilings)), dict[str, MetricValue])

    ways: tuple[tuple[str, Callable[[], Mapping[str, MetricValue]], str], ...] = (
        ("from the kept predictions", lambda: here(predictions), _ALONE),
        ("when the rows are in another order", lambda: here(turned_round(predictions)), "sort, or use no order"),
        ("from the kept predictions in a process of its own", elsewhere, _ALONE),
    )
    for what, call, mend in ways:
        scored = attempt(where, f"scoring {what}", call, mend)
        if isinstance(scored, Finding | LeftOut):
            yield scored
            continue
        for name, before in record.metrics.items():
            after = scored.get(name)
            if after is None or not _close(before, after):
                values = f"{said(before)}, then {said(after)}"
                yield Finding(where, f"{name} is another {what} ({values})", mend)


def check_analysis(
    where: str, task: TaskSpec, recipe: Recipe, protocol: Any, record: Record, predictions: pa.Table
) -> Check:
    """Replicates, groups and reliability, where the protocol offers them."""
    if not isinstance(protocol, Analysis):
        yield LeftOut(
            where, "Analysis: its protocol offers none, so two methods on it are never tested against each other"
        )
        return
    yield from check_replicates(where, Scorer(task, recipe, protocol), record, predictions)
    rows = model_rows(predictions)
    known = {metric.name for metric in task.metrics}
    for call, kind in ((protocol.groups, GroupValue), (protocol.reliability, ReliabilityBin)):
        found = attempt(where, call.__name__, lambda call=call: list(call(task, recipe, rows)))  # type: ignore[misc]
        if isinstance(found, Finding | LeftOut):
            yield found
        elif not all(isinstance(one, kind) for one in found):
            yield Finding(where, f"{call.__name__} gives something else than {kind.__name__}")
        elif kind is GroupValue and {one.metric for one in found} - known:
            yield Finding(
                where, f"groups gives '{min({one.metric for one in found} - known)}', which is no metric of it"
            )


def check_exhibits(where: str, task: TaskSpec, recipe: Recipe, protocol: Any, predictions: pa.Table) -> Check:
    """Examples of the test samples, right before wrong, few enough, the same twice."""
    if not isinstance(protocol, Exhibits):
        return
    rows = model_rows(predictions)
    found = [
        attempt(where, "examples", lambda: list(protocol.examples(task, recipe, rows, _EXAMPLES))) for _ in range(2)
    ]
    examples = found[0]
    if isinstance(examples, Finding | LeftOut):
        yield examples
        return
    rights = [one.right for one in examples]
    if max(rights.count(True), rights.count(False)) > _EXAMPLES:
        yield Finding(where, f"examples gives {len(rights)}, though {_EXAMPLES} right and wrong ones were asked for")
    if rights != sorted(rights, reverse=True):
        yield Finding(where, "examples gives wrong ones before right ones")
    strangers = {one.sample_id for one in examples} - set(rows.column("sample_id").to_pylist())
    if strangers:
        yield Finding(where, f"examples gives {min(strangers)!r}, which is no test sample")
    if not isinstance(found[1], Finding | LeftOut) and [one.sample_id for one in examples] != [
        one.sample_id for one in found[1]
    ]:
        yield Finding(where, "examples gives other ones the second time")


def _check_value(at: str, found: MetricValue, metric: MetricSpec) -> Check:
    numbers = [value for value in (found.value, found.low, found.high) if value is not None]
    if found.value is None:
        if not found.note:
            yield Finding(at, "it is undefined and does not say why", "give MetricValue a note")
        return
    if not all(map(math.isfinite, numbers)):
        yield Finding(at, f"it is {found.value}", "give value=None with a note where it is undefined")
    elif metric.unit == "percent" and not all(abs(value) <= metric.largest for value in numbers):
        yield Finding(
            at,
            f"it is {said(found)}, more than {metric.largest:g}",
            "give a share of 1, or say in its MetricSpec what is largest, or unit='plain'",
        )
    elif metric.unit == "percent" and min(numbers) < -_ROUNDING:
        yield Finding(at, f"it is {said(found)}, below 0", "say unit='plain' of what may be negative (a correlation)")
    elif found.low is not None and found.high is not None and not found.low <= found.high:
        yield Finding(at, f"its interval runs from {found.low} to {found.high}")
    elif found.low is not None and found.high is not None and not _near(found.value, found.low, found.high):
        yield Finding(at, f"it is {said(found)}, far outside of its interval", "are both of the same metric?")
    if found.low is None or found.high is None:
        yield Finding(at, "it has no interval", "medbench.statistics draws one over patients")
    if found.n < 1:
        yield Finding(at, f"it is over n={found.n} samples")


def _near(value: float, low: float, high: float) -> bool:
    """Inside, or no further outside than the interval is wide: a biased metric's replicates may lie beside it."""
    room = high - low + _ROUNDING * max(1.0, abs(value))
    return low - room <= value <= high + room


def said(found: MetricValue | None) -> str:
    """``0.5 (0.4 to 0.6)``."""
    return "nothing" if found is None else f"{found.value} ({found.low} to {found.high})"


def _close(before: MetricValue, after: MetricValue) -> bool:
    """Equal but for the rounding of sums in another order."""
    if before.n != after.n or (before.value is None) != (after.value is None):
        return False
    pairs = ((before.value, after.value), (before.low, after.low), (before.high, after.high))
    return all(
        one is other or (one is not None and other is not None and math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9))
        for one, other in pairs
    )
