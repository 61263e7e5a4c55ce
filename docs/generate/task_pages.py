"""A page a task, and their index, from the specs."""

from __future__ import annotations

from writing import code, codes, escape, facts, fraction_name, page, percent_text, table, value_text

from medbench.registry import Registry
from medbench.specs import MetricSpec, Recipe, ReportedResult, TaskSpec
from medbench.trials import recipe_values


def task_index(registry: Registry) -> str:
    """All tasks in a table, by protocol."""
    tasks = sorted(registry.tasks.values(), key=lambda one: (one.protocol, one.id))
    rows = [
        (
            f"[{escape(one.id)}]({one.id}.md)",
            escape(one.title),
            escape(one.protocol),
            f"[{escape(one.dataset)}](../datasets/{one.dataset}.md)",
            escape(one.ranking_metric.title),
            codes(one.recipes),
        )
        for one in tasks
    ]
    lead = "A task is a dataset, a protocol and a recipe, with the metric that ranks."
    return page("# Tasks", lead, table(("task", "title", "protocol", "dataset", "ranked by", "recipes"), rows))


def task_page(spec: TaskSpec) -> str:
    """What a task asks of a method, what it measures, and the values of every recipe."""
    return page(
        f"# {escape(spec.title)}",
        facts(
            {
                "id": code(spec.id),
                "dataset": f"[{escape(spec.dataset)}](../datasets/{spec.dataset}.md), split {code(spec.split)}",
                "protocol": escape(spec.protocol),
                "asks of a method": " or ".join(codes(sorted(one)) for one in (spec.capabilities, *spec.alternatives)),
                "labels": _target(spec),
                "training": "a head at each fraction of the training part" if spec.trains else "none: run once",
                "needs the modules": codes(spec.requires) if spec.requires else "",
                "tags": codes(spec.tags) if spec.tags else "",
                "version": str(spec.version),
            }
        ),
        "## Metrics",
        "The first ranks.",
        table(("metric", "name in records", "unit", "better", "as released"), [_metric(one) for one in spec.metrics]),
        "## Recipes",
        "`standard` ranks; `--set FIELD=VALUE` changes a field, and sets the numbers apart.",
        _recipes(spec),
        *_reported(spec),
    )


def _target(spec: TaskSpec) -> str:
    if spec.target is None:
        return ""
    return f"{spec.target.kind}: {codes(spec.target.labels) if spec.target.labels else 'all of the dataset'}"


def _metric(one: MetricSpec) -> tuple[str, ...]:
    better = "higher" if one.higher_is_better else "lower"
    unit = "percent" if one.unit == "percent" else "a plain number"
    return (escape(one.title), code(one.name), unit, better, "yes" if one.as_released else "")


def _recipes(spec: TaskSpec) -> str:
    """A row a field, a column a recipe; what differs from `standard` is bold."""
    values = {name: recipe_values(recipe) for name, recipe in spec.recipes.items()}
    fields = list(dict.fromkeys(field for one in values.values() for field in one))
    rows = []
    for field in fields:
        cells = [value_text(one[field]) if field in one else "–" for one in values.values()]
        usual = value_text(values["standard"][field]) if field in values["standard"] else "–"
        rows.append((code(field), *(cell if cell == usual else f"**{cell}**" for cell in cells)))
    rows.append(("seeds", *(value_text(recipe.seeds) for recipe in spec.recipes.values())))
    changed = [_changes(recipe) for recipe in spec.recipes.values()]
    if any(changed):
        rows.append(("changed at a fraction or for a method", *(one or "–" for one in changed)))
    return table(("field", *(escape(name) for name in spec.recipes)), rows)


def _changes(recipe: Recipe) -> str:
    found = [(fraction_name(at), fields) for at, fields in recipe.fraction_overrides]
    found += [(method, fields) for method, fields in recipe.method_settings]
    return "; ".join(
        f"{escape(where)}: " + ", ".join(f"{escape(name)} {value_text(value)}" for name, value in fields)
        for where, fields in found
    )


def _reported(spec: TaskSpec) -> list[str]:
    if not spec.reported:
        return []
    known = {one.name: one for one in spec.metrics}
    rows = [_figure(one, known.get(one.metric)) for one in spec.reported]
    lead = "Figures that papers print, with where they stand. They are shown beside reproduced ones and never rank."
    return ["## Reported", lead, table(("method", "metric", "data", "recipe", "value", "source", "note"), rows)]


def _figure(one: ReportedResult, metric: MetricSpec | None) -> tuple[str, ...]:
    unit = metric.unit if metric else "percent"
    value = percent_text(one.value, unit)
    if one.deviation is not None:
        value += f" ± {percent_text(one.deviation, unit)}"
    note = escape(one.note) + ("" if one.comparable else " (not compared)")
    title = one.metric_title or (metric.title if metric else one.metric)
    where = (escape(one.method), escape(title), fraction_name(one.fraction), escape(one.recipe))
    return (*where, value, escape(one.source), note.strip())
