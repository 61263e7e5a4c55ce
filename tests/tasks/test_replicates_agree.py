"""Every protocol's bootstrap replicates are those that its intervals come from, and paired by patient."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from kept_toys import SIDE, kept

from medbench.loading import resolve
from medbench.masks import encode_mask
from medbench.protocols import Analysis, Exhibits
from medbench.replicates import replicates_of
from medbench.specs import TaskSpec
from medbench.statistics import REPLICATES, interval_of, paired_difference
from medbench_tasks.catalogue import TASKS


def _kinds() -> list[TaskSpec]:
    """A task for each protocol and list of metrics."""
    kinds = {
        (task.loader, tuple(metric.name for metric in task.metrics), task.target and task.target.kind): task
        for task in reversed(TASKS)
    }
    return sorted(kinds.values(), key=lambda task: task.id)


KINDS = _kinds()
LOADERS = [next(task for task in KINDS if task.loader == loader) for loader in sorted({task.loader for task in KINDS})]


@pytest.mark.parametrize("task", TASKS, ids=[task.id for task in TASKS])
def test_every_task_of_the_catalogue_offers_analysis_and_exhibits(task: TaskSpec) -> None:
    protocol = resolve(task.loader, task.id)
    assert isinstance(protocol, Analysis)
    assert isinstance(protocol, Exhibits)


@pytest.mark.parametrize("task", KINDS, ids=[task.id for task in KINDS])
def test_intervals_are_those_of_the_replicates(task: TaskSpec) -> None:
    protocol = resolve(task.loader, task.id)
    table, recipe = kept(task), task.recipes["standard"]
    scored, replicates = protocol.score(task, recipe, table), protocol.replicates(task, recipe, table)
    assert set(replicates) == set(scored) == {metric.name for metric in task.metrics}
    assert scored[task.ranking_metric.name].low is not None
    for name, value in scored.items():
        assert replicates[name].shape == (REPLICATES,)
        interval = interval_of(replicates[name]) if value.value is not None else None
        assert (value.low, value.high) == ((interval.low, interval.high) if interval else (None, None)), name


@pytest.mark.parametrize("task", LOADERS, ids=[task.protocol for task in LOADERS])
def test_replicates_are_of_patients_whatever_the_order_of_the_rows(task: TaskSpec) -> None:
    protocol = resolve(task.loader, task.id)
    table, recipe = kept(task), task.recipes["standard"]
    shuffled = table.take(np.random.default_rng(1).permutation(table.num_rows))
    first, second = (protocol.replicates(task, recipe, one)[task.ranking_metric.name] for one in (table, shuffled))
    np.testing.assert_allclose(first, second, atol=1e-12)
    test = paired_difference(first, second, 0.0, 0.0)
    assert test is not None
    assert test.p_value == 1


@pytest.mark.parametrize(
    ("task_id", "columns"), [("rsna-det", ("gt_boxes", "gt_labels")), ("siim-seg", ("truth",))], ids=["boxes", "masks"]
)
def test_what_is_undefined_has_no_number_in_any_draw(task_id: str, columns: tuple[str, ...]) -> None:
    task = next(task for task in TASKS if task.id == task_id)
    protocol, table, recipe = resolve(task.loader, task.id), kept(task), task.recipes["standard"]
    nothing = encode_mask(np.zeros((SIDE, SIDE))).counts if "truth" in columns else []
    for name in columns:
        field = table.schema.field(name)
        table = table.set_column(
            table.schema.get_field_index(name), field, pa.array([nothing] * table.num_rows, field.type)
        )
    name = task.ranking_metric.name
    assert protocol.score(task, recipe, table)[name].value is None
    assert np.isnan(protocol.replicates(task, recipe, table)[name]).all()
    assert len(protocol.examples(task, recipe, table, 2)) > 0


@pytest.mark.parametrize("task", LOADERS, ids=[task.protocol for task in LOADERS])
def test_a_record_can_keep_them(task: TaskSpec) -> None:
    protocol = resolve(task.loader, task.id)
    made = replicates_of(task, task.recipes["standard"], protocol, kept(task))
    assert len(made.by_metric[task.ranking_metric.name]) == 4 * REPLICATES


@pytest.mark.parametrize("task", LOADERS, ids=[task.protocol for task in LOADERS])
def test_groups_and_reliability_are_of_the_tasks_metrics(task: TaskSpec) -> None:
    protocol = resolve(task.loader, task.id)
    table, recipe = kept(task), task.recipes["standard"]
    groups = protocol.groups(task, recipe, table)
    assert {one.metric for one in groups} <= {metric.name for metric in task.metrics}
    assert len({(one.grouping, one.group, one.metric) for one in groups}) == len(groups)
    for one in groups:
        assert (one.value.value is None) == bool(one.value.note) or one.value.low is not None
    bins = protocol.reliability(task, recipe, table)
    assert all(0 <= one.low <= one.confidence <= one.high <= 1 and 0 <= one.frequency <= 1 for one in bins)
    assert [one.low for one in bins] == sorted(one.low for one in bins)
