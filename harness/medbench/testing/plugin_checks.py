"""Holding everything that an installed package offers to the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medbench.errors import UnknownNameError
from medbench.registry import Plugin, Registry
from medbench.testing.contract import Finding, Report
from medbench.testing.dataset_checks import dataset_report
from medbench.testing.method_checks import method_report
from medbench.testing.task_checks import task_report


def plugins_of(package: str, registry: Registry) -> tuple[Plugin, ...]:
    """The plugins of that distribution, or the one of that name. Raises `UnknownNameError`."""
    found = tuple(one for one in registry.plugins if _same(one.distribution, package))
    found = found or tuple(one for one in registry.plugins if one.name == package)
    if not found:
        known = {name for one in registry.plugins for name in (one.distribution, one.name)}
        raise UnknownNameError("plugin package", package, known)
    return found


def plugin_reports(plugin: Plugin, registry: Registry, *, checkpoints: Path | None = None) -> Iterator[Report]:
    """A report for what is wrong with the plugin itself, then one for each method, dataset and task that it offers."""
    where = f"plugin {plugin.name}"
    yield Report(where, tuple(Finding(where, problem) for problem in plugin.problems), ())
    for offer in plugin.offers:
        kind, _, name = offer.partition(" ")
        if kind == "method":
            yield method_report(name, registry, checkpoints=checkpoints)
        elif kind == "dataset":
            yield dataset_report(name, registry)
        else:
            yield task_report(name, registry)


def _same(one: str, other: str) -> bool:
    """Names of distributions are compared as installers do."""
    first, second = (name.lower().replace("_", "-").replace(".", "-") for name in (one, other))
    return first == second
