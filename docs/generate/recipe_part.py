"""The recipes of a task: every value of every preset, what changes where, and what the fields mean."""

from __future__ import annotations

from generate.writing import code, codes, escape, fraction_name, prose, table, value_text
from medbench.specs import Recipe, TaskSpec
from medbench.trials import recipe_values


def recipe_part(spec: TaskSpec) -> list[str]:
    """The section: a table of values, one of changes, and the docstrings of the recipes' classes."""
    return [
        "## Recipes",
        "`standard` ranks; `--set FIELD=VALUE` changes a field, and sets the numbers apart. What differs from `standard` is "
        "bold.",
        _values(spec),
        *_changed(spec),
        *_meanings(spec),
    ]


def _values(spec: TaskSpec) -> str:
    """A row a field, a column a recipe."""
    values = {name: recipe_values(recipe) for name, recipe in spec.recipes.items()}
    fields = list(dict.fromkeys(field for one in values.values() for field in one))
    rows = []
    for field in fields:
        cells = [value_text(one[field]) if field in one else "–" for one in values.values()]
        usual = value_text(values["standard"][field]) if field in values["standard"] else "–"
        rows.append((code(field), *(cell if cell == usual else f"**{cell}**" for cell in cells)))
    rows.append(("seeds", *(value_text(recipe.seeds) for recipe in spec.recipes.values())))
    needed = [set(recipe.requires) - set(spec.requires) for recipe in spec.recipes.values()]
    if any(needed):
        rows.append(("needs the modules", *(codes(sorted(one)) for one in needed)))
    return table(("field", *(escape(name) for name in spec.recipes)), rows)


def _changed(spec: TaskSpec) -> list[str]:
    """What a recipe sets at a fraction of the training part, or for a method."""
    rows = [
        (escape(name), where, "; ".join(f"{code(field)} {value_text(value)}" for field, value in fields))
        for name, recipe in spec.recipes.items()
        for where, fields in _changes(recipe)
    ]
    if not rows:
        return []
    return [
        "Fields that a recipe changes at a fraction of the data, or for a method:",
        table(("recipe", "at or for", "fields"), rows),
    ]


def _changes(recipe: Recipe) -> list[tuple[str, tuple[tuple[str, object], ...]]]:
    found = [(fraction_name(at), fields) for at, fields in recipe.fraction_overrides]
    return found + [(code(method), fields) for method, fields in recipe.method_settings]


def _meanings(spec: TaskSpec) -> list[str]:
    """The docstrings from `Recipe`'s subclasses down to the recipes' own classes, each once."""
    classes = dict.fromkeys(
        one for recipe in spec.recipes.values() for one in reversed(type(recipe).mro()) if issubclass(one, Recipe)
    )
    texts = [prose(doc) for one in classes if one is not Recipe and (doc := _written(one))]
    return ["### What the fields mean", *texts] if texts else []


def _written(recipe: type[Recipe]) -> str:
    """The class's own docstring; '' for the signature that a dataclass without one is given."""
    doc = recipe.__dict__.get("__doc__") or ""
    return "" if doc.startswith(f"{recipe.__name__}(") else doc
