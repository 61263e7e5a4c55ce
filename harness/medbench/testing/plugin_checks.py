"""Holding everything that an installed package offers to the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medbench.errors import UnknownNameError
from medbench.registry import HOOKS, Plugin, Registry
from medbench.testing.contract import Finding, LeftOut, Outcome, Report
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
    yield Report.of(where, _of_itself(where, plugin, registry))
    for offer in plugin.offers:
        kind, _, name = offer.partition(" ")
        if kind == "method":
            yield method_report(name, registry, checkpoints=checkpoints)
        elif kind == "dataset":
            yield dataset_report(name, registry)
        elif kind == "task":
            yield task_report(name, registry)
        else:
            yield Report.of(offer, [LeftOut(offer, f"there are no checks of a {kind}", "whole")])


def _of_itself(where: str, plugin: Plugin, registry: Registry) -> Iterator[Outcome]:
    """What is wrong with the plugin's module: specs that were refused, or nothing offered at all."""
    yield from (Finding(where, problem) for problem in plugin.problems)
    if plugin.offers or plugin.problems:
        return
    label = f"{plugin.name} [{plugin.distribution}]"
    if any(one.label == label for hook in HOOKS for one in registry.listeners(hook)):
        yield LeftOut(where, "it listens to runs and offers nothing else; there are no checks of that", "whole")
    else:
        yield Finding(where, "it offers nothing", f"is @hookimpl missing in {plugin.module}?")


def _same(one: str, other: str) -> bool:
    """Names of distributions are compared as installers do."""
    first, second = (name.lower().replace("_", "-").replace(".", "-") for name in (one, other))
    return first == second
