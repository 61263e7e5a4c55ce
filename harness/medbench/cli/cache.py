"""``medbench cache``: look at what encoders said of images, kept for later trials, and clear it out."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import click

from medbench.cli.options import Settings, load_registry, print_json, settings_options
from medbench.errors import UsageError

if TYPE_CHECKING:
    from medbench.feature_store import Entry
    from medbench.registry import Registry

_DAY = 86_400


@click.group("cache")
def cache_command() -> None:
    """Features of frozen encoders: each is computed once and shared by every task, fraction and seed."""


@cache_command.command("ls")
@settings_options
@click.option("--json", "as_json", is_flag=True, help="JSON for machines.")
def ls_command(settings: Settings, as_json: bool) -> None:
    """List the kept features, last used first."""
    from medbench.feature_store import entries

    found = entries(settings.cache / "features")
    if as_json:
        print_json([entry.key | {"rows": entry.rows, "bytes": entry.size, "used": entry.used} for entry in found])
        return
    from medbench.cli.catalogue import echo_table

    rows: list[tuple[str, ...]] = [("method", "dataset", "features", "rows", "MB", "last used")]
    for entry in found:
        used = time.strftime("%Y-%m-%d", time.localtime(entry.used))
        rows.append((*_names(entry), f"{entry.rows:,}", f"{entry.size / 1e6:.1f}", used))
    echo_table(rows)
    click.echo(f"{sum(entry.size for entry in found) / 1e6:,.1f} MB in {settings.cache / 'features'}")


@cache_command.command("gc")
@settings_options
@click.option("--older-than", type=click.FloatRange(min=0), metavar="DAYS", help="What was not used for that long.")
@click.option("--max-gb", type=click.FloatRange(min=0), metavar="GB", help="The least recently used beyond that size.")
@click.option("--method", metavar="ID", help="A method's, e.g. mgca or mgca@resnet50.")
@click.option("--dataset", metavar="ID", help="A dataset's.")
@click.option("--all", "everything", is_flag=True, help="All of it.")
@click.option("--dry-run", is_flag=True, help="Say what would go and leave it.")
def gc_command(
    settings: Settings,
    older_than: float | None,
    max_gb: float | None,
    method: str | None,
    dataset: str | None,
    everything: bool,
    dry_run: bool,
) -> None:
    """Remove features: with no option, those that nothing can use any more.

    That is: damaged entries, and those of a method's older version or of data that were prepared anew. What is removed can
    always be computed again.
    """
    from medbench.feature_store import entries

    found = entries(settings.cache / "features")
    chosen = {entry.folder: entry for entry in found if everything or not entry.key}
    if older_than is not None:
        chosen |= {one.folder: one for one in found if one.used < time.time() - older_than * _DAY}
    if max_gb is not None:
        chosen |= {one.folder: one for one in _beyond(found, max_gb * 1e9)}
    if method is not None or dataset is not None:
        named = [one for one in found if _is_named(one, method, dataset)]
        if not named:
            raise UsageError("no kept features are of that name", fix="medbench cache ls")
        chosen |= {one.folder: one for one in named}
    if not everything and older_than is None and max_gb is None and method is None and dataset is None:
        registry = load_registry()
        current = _manifests(registry, settings)
        chosen |= {one.folder: one for one in found if _is_outdated(one, registry, current)}
    if everything and not dry_run:
        shutil.rmtree(settings.cache / "floors", ignore_errors=True)  # small files of protocols, as easily made again
    for entry in chosen.values():
        click.echo(f"{'would remove' if dry_run else 'removing'} {' '.join(_names(entry))}, {entry.size / 1e6:.1f} MB")
        if not dry_run:
            entry.remove()
    size = sum(entry.size for entry in chosen.values()) / 1e6
    click.echo(f"{len(chosen)} of {len(found)} entries, {size:,.1f} MB{' (nothing was removed)' if dry_run else ''}")


def _names(entry: Entry) -> tuple[str, str, str]:
    model = entry.key.get("model", {})
    method = f"{model.get('method', '?')}@{model.get('variant', '?')}"
    return method, str(entry.key.get("dataset", "-")), str(entry.key.get("name", "damaged"))


def _is_named(entry: Entry, method: str | None, dataset: str | None) -> bool:
    name = _names(entry)[0]
    of_method = method is None or method in {name, name.partition("@")[0]}
    return of_method and (dataset is None or entry.key.get("dataset") == dataset)


def _beyond(found: list[Entry], limit: float) -> list[Entry]:
    total = 0.0
    beyond = []
    for entry in found:
        total += entry.size
        if total > limit:
            beyond.append(entry)
    return beyond


def _manifests(registry: Registry, settings: Settings) -> dict[str, str]:
    """Content hashes of the datasets as they are prepared under these settings."""
    from medbench.datasets import locate

    infos = {name: locate(spec, settings).info() for name, spec in registry.datasets.items()}
    return {name: info.sha256 for name, info in infos.items() if info is not None}


def _is_outdated(entry: Entry, registry: Registry, current: dict[str, str]) -> bool:
    """Of an older method version or older data; an entry of a method or data that are not here is left alone."""
    from medbench.features import FORMAT

    model = entry.key.get("model", {})
    spec = registry.methods.get(model.get("method"))
    dataset = entry.key.get("dataset")
    return (
        entry.key.get("format") != FORMAT
        or (spec is not None and spec.version != model.get("version"))
        or (dataset in current and entry.key.get("manifest") != current[dataset])
    )
