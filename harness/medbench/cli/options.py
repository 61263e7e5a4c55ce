"""Options that several commands share, and the settings and registry they lead to."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from medbench.errors import UsageError
from medbench.registry import Registry
from medbench.settings import Settings, check_names, load_settings

Command = TypeVar("Command", bound=Callable[..., Any])

_PLACES = {
    "config": "Settings file (default: medbench.toml here).",
    "data": "Folder that holds a folder per dataset.",
    "checkpoints": "Folder that holds a folder per method.",
    "results": "Folder of records (default: results).",
    "cache": "Folder for manifests and other things that can be made again.",
}


_FURTHER = ("compile", "executor", "jobs", "nproc_per_node", "pixel_side", "keep_pixels")
"""Settings that only some commands have options for; these decorators stand below `settings_options`."""


def running_options(command: Command) -> Command:
    """Give a command the options of how trials are carried out."""
    wrapped: Any = command
    wrapped = click.option(
        "--compile/--no-compile",
        "compile",
        default=None,
        help="Compile encoders with torch (slow start, faster passes).",
    )(wrapped)
    wrapped = click.option(
        "--nproc-per-node", type=int, metavar="N", help="Processes, one a GPU, that share a training on one machine."
    )(wrapped)
    wrapped = click.option("--jobs", type=int, metavar="N", help="Trials at once (default: one a visible GPU).")(
        wrapped
    )
    wrapped = click.option("--executor", metavar="E", help="local, ray or slurm.")(wrapped)
    result: Command = wrapped
    return result


def pixel_options(command: Command) -> Command:
    """Give a command the options of how decoded images are kept."""
    wrapped: Any = command
    wrapped = click.option("--keep-pixels", metavar="WHEN", help="auto (where the disk has room), always or never.")(
        wrapped
    )
    wrapped = click.option(
        "--side",
        "pixel_side",
        type=int,
        metavar="N",
        help="Shorter side that larger images are kept at; 0: as they are.",
    )(wrapped)
    result: Command = wrapped
    return result


def settings_options(command: Command) -> Command:
    """Give a command ``--config`` and its kin; it receives ``settings`` in their place."""

    @functools.wraps(command)
    def with_settings(**options: Any) -> Any:
        config = options.pop("config")
        overrides = {name: options.pop(name) for name in ("data", "checkpoints", "results", "cache")}
        overrides |= {
            name: options.pop(name) for name in ("device", "precision", "workers", *_FURTHER) if name in options
        }
        options["settings"] = load_settings(
            config=config, environment=os.environ, overrides=overrides, folder=Path.cwd()
        )
        return command(**options)

    wrapped: Any = with_settings
    wrapped = click.option("--workers", type=int, metavar="N", help="Processes that read images while training.")(
        wrapped
    )
    wrapped = click.option("--precision", metavar="P", help="fp32, bf16 or fp16.")(wrapped)
    wrapped = click.option("--device", metavar="D", help="auto, cpu, cuda or cuda:N.")(wrapped)
    for name, text in reversed(_PLACES.items()):
        wrapped = click.option(f"--{name}", type=click.Path(path_type=Path), metavar="PATH", help=text)(wrapped)
    result: Command = wrapped
    return result


def request_options(command: Command) -> Command:
    """Give a command the options that choose trials; it receives ``request`` in their place."""

    @functools.wraps(command)
    def with_request(**options: Any) -> Any:
        from medbench.plan import Request

        options["request"] = Request(
            methods=options.pop("methods"),
            tasks=options.pop("tasks"),
            recipe=options.pop("recipe"),
            fractions=_numbers("--fractions", options.pop("fractions"), float),
            seeds=_numbers("--seeds", options.pop("seeds"), int) or None,
            overrides=_overrides(options.pop("overrides")),
        )
        return command(**options)

    wrapped: Any = with_request
    wrapped = click.option(
        "--set", "overrides", multiple=True, metavar="FIELD=VALUE", help="Change a field of the recipe; repeatable."
    )(wrapped)
    wrapped = click.option("--seeds", default="", metavar="0,1,2", help="Default: the recipe's own.")(wrapped)
    wrapped = click.option("--fractions", default="1", metavar="0.01,0.1,1", help="Shares of the training part.")(
        wrapped
    )
    wrapped = click.option("--recipe", default="standard", metavar="NAME", help="A preset of the tasks.")(wrapped)
    wrapped = click.option("--tasks", required=True, metavar="SELECTION", help="Ids, globs, all, tag:x, -x.")(wrapped)
    wrapped = click.option(
        "--methods", required=True, metavar="SELECTION", help="Ids, id@variant, globs, all, tag:x, -x."
    )(wrapped)
    result: Command = wrapped
    return result


def load_registry(settings: Settings | None = None, *, only: str = "") -> Registry:
    """The registry; what is wrong with a plugin is said on stderr and stops nothing.

    With ``settings``, the names in them are checked against it. ``only`` names the one kind (``methods``, ``datasets``,
    ``tasks``) that is looked at: plugins are then not asked for the others.
    """
    registry = Registry.load()
    if only:
        getattr(registry, only)
    for plugin in registry.looked_at if only else registry.plugins:
        for problem in plugin.problems:
            click.echo(f"warning: plugin {plugin.label}: {problem}", err=True)
    if settings is not None:
        variants = {
            name: [one.id for one in spec.variants] if spec.open_variants is None else None
            for name, spec in registry.methods.items()
        }
        check_names(settings, registry.datasets, variants)
    return registry


def _numbers(option: str, text: str, kind: Callable[[str], Any]) -> tuple[Any, ...]:
    try:
        return tuple(dict.fromkeys(kind(part) for part in text.split(",") if part.strip()))
    except ValueError:
        raise UsageError(f"{option} is '{text}'", fix="give numbers separated by commas") from None


def _overrides(pairs: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {pair}", fix="write --set FIELD=VALUE")
        found[name.strip()] = value.strip()
    return found


def print_json(value: Any) -> None:
    """Write a value as indented JSON to stdout."""
    import json

    click.echo(json.dumps(value, indent=1, default=str))


__all__ = [
    "Settings",
    "load_registry",
    "pixel_options",
    "print_json",
    "request_options",
    "running_options",
    "settings_options",
]
