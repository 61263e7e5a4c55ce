"""Metrics by class and by subgroup, as protocols find them in kept predictions (`protocols.Analysis`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medbench.leaderboard.text import percent, plain
from medbench.protocols import Analysis, GroupValue
from medbench.records import MetricValue
from medbench.report.kept import Kept, Troubles
from medbench.report.payload import GroupView, Value
from medbench.report.sheets import line_title
from medbench.report.texts import finite, shown_name
from medbench.specs import MetricSpec, TaskSpec

GROUPS = 100
"""Groups of one grouping that are shown."""


@dataclass(frozen=True, slots=True)
class _Found:
    kept: Kept
    values: tuple[GroupValue, ...]

    def of(self, grouping: str, metric: str) -> dict[str, MetricValue]:
        """The values of that metric by group."""
        return {one.group: one.value for one in self.values if (one.grouping, one.metric) == (grouping, metric)}


def group_views(task: TaskSpec, protocol: object, kept: Sequence[Kept], troubles: Troubles) -> tuple[GroupView, ...]:
    """One view a grouping, in the protocol's order, under the ranking metric where it is given by group; of one seed."""
    if not isinstance(protocol, Analysis):
        return ()
    found = []
    for one in kept:
        try:
            found.append(_Found(one, tuple(protocol.groups(task, one.recipe, one.predictions))))
        except Exception as error:  # damaged predictions break a protocol in any way; the other records go on
            troubles.raised(one.label, error)
    groupings = dict.fromkeys(value.grouping for one in found for value in one.values)
    return tuple(_view(task, grouping, found, troubles) for grouping in groupings)


def _view(task: TaskSpec, grouping: str, found: Sequence[_Found], troubles: Troubles) -> GroupView:
    metric = _shown_metric(task, {one.metric for each in found for one in each.values if one.grouping == grouping})
    by_method = [(one, values) for one in found if (values := one.of(grouping, metric.name))]
    groups = list(dict.fromkeys(group for _, values in by_method for group in values))
    if len(groups) > GROUPS:
        troubles.told(f"{task.id}: of {len(groups)} groups by {grouping} the first {GROUPS} are shown")
        groups = groups[:GROUPS]
    return GroupView(
        grouping=shown_name(grouping),
        metric=shown_name(metric.title),
        unit=metric.unit,
        methods=tuple(line_title(one.kept.contender.line) for one, _ in by_method),
        groups=tuple(map(shown_name, groups)),
        sizes=tuple(_size(group, [values for _, values in by_method]) for group in groups),
        values=tuple(tuple(_value(values.get(group), metric) for group in groups) for _, values in by_method),
    )


def _shown_metric(task: TaskSpec, given: set[str]) -> MetricSpec:
    """The first of the task's metrics that is given, or one that stands in for a metric that the task does not list."""
    known = [metric for metric in task.metrics if metric.name in given]
    return known[0] if known else MetricSpec(name=min(given), title=min(given))


def _size(group: str, values: Sequence[Mapping[str, MetricValue]]) -> int | None:
    sizes = {one[group].n for one in values if group in one}
    return sizes.pop() if len(sizes) == 1 else None


def _value(measured: MetricValue | None, metric: MetricSpec) -> Value | None:
    if measured is None:
        return None
    value = finite(measured.value)
    printed = percent if metric.unit == "percent" else plain
    return Value(
        value=value,
        text="–" if value is None else printed(value),
        low=finite(measured.low),
        high=finite(measured.high),
        notes=(shown_name(measured.note),) if measured.note else (),
    )
