"""A page a task, and their index, from the specs."""

from __future__ import annotations

from generate.dataset_pages import ACCESS, split_part
from generate.overlap import by_state
from generate.recipe_part import recipe_part
from generate.reported_part import reported_part
from generate.writing import code, codes, escape, facts, page, page_file, page_link, table
from medbench.registry import Registry
from medbench.specs import MethodSpec, MetricSpec, TaskSpec

_MEANING = " ([capabilities](../api/medbench.capabilities.md))"


def task_index(registry: Registry) -> str:
    """All tasks in tables, one a protocol."""
    parts = []
    for protocol in sorted({one.protocol for one in registry.tasks.values()}, key=str.lower):
        rows = [
            (
                f"[{escape(one.id)}]({page_file(one.id)})",
                escape(one.title),
                _dataset_link(one, registry),
                escape(one.ranking_metric.title),
                codes(one.recipes),
            )
            for one in sorted(registry.tasks.values(), key=lambda one: one.id)
            if one.protocol == protocol
        ]
        parts += [f"## {escape(protocol)}", table(("task", "title", "dataset", "ranked by", "recipes"), rows)]
    lead = "A task is a dataset, a protocol and a recipe, with the metric that ranks. By protocol:"
    return page("# Tasks", lead, *parts)


def task_page(spec: TaskSpec, registry: Registry) -> str:
    """What a task asks of a method, its data, what it measures, the values of every recipe, and what papers report."""
    return page(
        f"# {escape(spec.title)}",
        f"`medbench run --methods METHOD --tasks {spec.id}`",
        facts(
            {
                "id": code(spec.id),
                "protocol": escape(spec.protocol),
                "asks of a method": " or ".join(codes(sorted(one)) for one in (spec.capabilities, *spec.alternatives))
                + _MEANING,
                "labels": _target(spec),
                "training": "at each fraction of the training part" if spec.trains else "none: run once",
                "needs the modules": codes(spec.requires) if spec.requires else "",
                "tags": codes(spec.tags) if spec.tags else "",
                "version": str(spec.version),
            }
        ),
        *_data(spec, registry),
        "## Metrics",
        "The first ranks. Every table has the [trivial answers](../metrics.md#floors) of the protocol beneath it.",
        table(("metric", "name in records", "unit", "better", "as released"), [_metric(one) for one in spec.metrics]),
        *recipe_part(spec),
        *_methods(spec, registry),
        *reported_part(spec),
    )


def _dataset_link(spec: TaskSpec, registry: Registry) -> str:
    return page_link("datasets", spec.dataset) if spec.dataset in registry.datasets else escape(spec.dataset)


def _data(spec: TaskSpec, registry: Registry) -> list[str]:
    dataset = registry.datasets.get(spec.dataset)
    if dataset is None:
        return ["## Data", f"{code(spec.dataset)}, split {code(spec.split)}; no plugin here reads this dataset."]
    rows = facts(
        {
            "dataset": f"{_dataset_link(spec, registry)}: {escape(dataset.title)}",
            "access": ACCESS[dataset.access],
            "licence": escape(dataset.licence),
        }
    )
    return ["## Data", rows, *split_part([one for one in dataset.splits if one.name == spec.split])]


def _target(spec: TaskSpec) -> str:
    if spec.target is None:
        return ""
    return f"{spec.target.kind}: {codes(spec.target.labels) if spec.target.labels else 'all of the dataset'}"


def _metric(one: MetricSpec) -> tuple[str, ...]:
    better = "higher" if one.higher_is_better else "lower"
    unit = "percent" if one.unit == "percent" else "a plain number"
    return (escape(one.title), code(one.name), unit, better, "yes" if one.as_released else "")


def _methods(spec: TaskSpec, registry: Registry) -> list[str]:
    """The methods that can do it, and whether their pretraining data overlap with its test part."""
    rows = [row for one in registry.methods.values() for row in _able(one, spec, registry)]
    if not rows:
        return []
    return [
        "## Methods",
        "Those here that offer what it asks for, and whether the data they declare overlap with its images.",
        table(("method", "variants", "pretraining"), rows),
    ]


def _able(method: MethodSpec, spec: TaskSpec, registry: Registry) -> list[tuple[str, str, str]]:
    name = page_link("methods", method.id)
    if method.open_variants is not None and not method.variants:
        return [
            (name, "depends on the model", "undeclared" if method.pretrained_on is None else "depends on the model")
        ]
    able = [one for one in method.variants if spec.needs(one.capabilities) is not None]
    states = by_state(method, able, spec.dataset, spec.split, registry)
    return [(name, codes(one.id for one in variants), state) for state, variants in states.items()]
