"""``medbench list``, ``show`` and ``plugins``: what there is, from the specs alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import click

from medbench.cli.options import load_registry, print_json
from medbench.errors import PluginError, UnknownNameError
from medbench.registry import Registry

_KINDS = ("methods", "datasets", "tasks")


@click.command("list")
@click.argument("kind", type=click.Choice(_KINDS))
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def list_command(kind: str, as_json: bool) -> None:
    """List methods, datasets or tasks."""
    registry = load_registry(only=kind)
    rows = {"methods": _methods, "datasets": _datasets, "tasks": _tasks}[kind](registry)
    if as_json:
        print_json([dict(zip(rows[0], row, strict=True)) for row in rows[1:]])
    else:
        echo_table(rows)


@click.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def show_command(name: str, as_json: bool) -> None:
    """Show all that is known of a method, dataset or task."""
    registry = load_registry()
    named = registry.standing_for(name)
    name = name if named is None else named[0].id
    kinds = {"method": registry.methods, "dataset": registry.datasets, "task": registry.tasks}
    found = {kind: plain(specs[name]) for kind, specs in kinds.items() if name in specs}
    if not found:
        for find in (registry.method, registry.dataset, registry.task):
            try:
                find(name)
            except PluginError:
                raise
            except UnknownNameError:
                continue
        raise UnknownNameError("method, dataset or task", name, [one for specs in kinds.values() for one in specs])
    if as_json:
        print_json(found)
        return
    for kind, values in found.items():
        click.echo(f"{kind} {name}")
        _echo_fields(values, indent=2)


@click.command("plugins")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def plugins_command(as_json: bool) -> None:
    """List the installed plugins with distribution, version and state."""
    plugins = Registry.load().plugins
    if as_json:
        print_json([dataclasses.asdict(plugin) | {"state": plugin.state} for plugin in plugins])
        return
    echo_table(
        [
            ("plugin", "module", "distribution", "version", "state", "offers"),
            *(
                (one.name, one.module, one.distribution, one.version, one.state, str(len(one.offers)))
                for one in plugins
            ),
        ]
    )
    for plugin in plugins:
        for problem in plugin.problems:
            click.echo(f"{plugin.label}: {problem}")


def echo_table(rows: Sequence[Sequence[str]]) -> None:
    """Columns padded with spaces, the first row a heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number == 0:
            click.echo("  ".join("-" * width for width in widths))


def plain(value: Any) -> Any:
    """A spec as dicts, lists and scalars, sets sorted."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def _methods(registry: Registry) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("method", "variants", "pretrained on", "title")]
    for spec in registry.methods.values():
        trained = "undeclared" if spec.pretrained_on is None else ", ".join(spec.pretrained_on) or "nothing"
        variants = ", ".join(one.id for one in spec.variants) or f"{spec.id}/<model>"
        rows.append((spec.id, variants, trained, spec.title))
    return rows


def _datasets(registry: Registry) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("dataset", "access", "supervision", "splits", "title")]
    for spec in registry.datasets.values():
        splits = ", ".join(split.name for split in spec.splits)
        rows.append((spec.id, spec.access, ", ".join(sorted(spec.supervision)), splits, spec.title))
    return rows


def _tasks(registry: Registry) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("task", "dataset", "protocol", "ranked by", "recipes", "title")]
    for spec in registry.tasks.values():
        recipes = ", ".join(spec.recipes)
        rows.append((spec.id, spec.dataset, spec.protocol, spec.ranking_metric.name, recipes, spec.title))
    return rows


def _echo_fields(values: dict[str, Any], indent: int) -> None:
    for name, value in values.items():
        if value in (None, "", [], {}):
            continue
        if isinstance(value, dict):
            click.echo(f"{' ' * indent}{name}:")
            _echo_fields(value, indent + 2)
        elif isinstance(value, list) and isinstance(value[0], dict):
            click.echo(f"{' ' * indent}{name}:")
            for item in value:
                click.echo(f"{' ' * (indent + 2)}-")
                _echo_fields(item, indent + 4)
        else:
            click.echo(f"{' ' * indent}{name}: {_inline(value)}")


def _inline(value: Any) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
