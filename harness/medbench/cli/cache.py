"""``medbench cache``: look at what is kept for later trials (features, frames, pixels), and clear it out."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medbench.cache_entries import KINDS
from medbench.cli.options import Settings, load_registry, print_json, settings_options
from medbench.errors import StoreError, UsageError

if TYPE_CHECKING:
    from medbench.cache_entries import CacheEntry
    from medbench.registry import Registry

_DAY = 86_400


@click.group("cache")
def cache_command() -> None:
    """What is kept for later trials: features of frozen encoders, frames that protocols train on, and decoded pixels.

    Each is made once and shared by every task, fraction and seed.
    """


@cache_command.command("ls")
@settings_options
@click.option("--json", "as_json", is_flag=True, help="JSON for machines.")
def ls_command(settings: Settings, as_json: bool) -> None:
    """List what is kept, last used first."""
    from medbench.cache_entries import cache_entries

    found = cache_entries(settings.cache)
    if as_json:
        print_json([entry.as_dict() for entry in found])
        return
    from medbench.cli.catalogue import echo_table

    rows: list[tuple[str, ...]] = [("kind", "method", "dataset", "what", "rows", "MB", "last used")]
    for entry in found:
        used = time.strftime("%Y-%m-%d", time.localtime(entry.used))
        count = "-" if entry.rows is None else f"{entry.rows:,}"
        rows.append((entry.kind, entry.method, entry.dataset, entry.name, count, f"{entry.size / 1e6:.1f}", used))
    echo_table(rows)
    click.echo(f"{sum(entry.size for entry in found) / 1e6:,.1f} MB in {settings.cache}")


@cache_command.command("gc")
@settings_options
@click.option("--kind", type=click.Choice(KINDS), help="Of that kind alone.")
@click.option("--older-than", type=click.FloatRange(min=0), metavar="DAYS", help="What was not used for that long.")
@click.option("--max-gb", type=click.FloatRange(min=0), metavar="GB", help="The least recently used beyond that size.")
@click.option("--method", metavar="ID", help="A method's features, e.g. of mgca or mgca@resnet50.")
@click.option("--dataset", metavar="ID", help="A dataset's.")
@click.option("--all", "everything", is_flag=True, help="All of it.")
@click.option("--dry-run", is_flag=True, help="Say what would go and leave it.")
def gc_command(
    settings: Settings,
    kind: str | None,
    older_than: float | None,
    max_gb: float | None,
    method: str | None,
    dataset: str | None,
    everything: bool,
    dry_run: bool,
) -> None:
    """Remove what is kept: with no option, what nothing can use any more.

    That is: damaged entries, those of a method's older version or of data that were prepared anew, and pixels of a dataset
    whose folder is gone. What is removed can always be made again.
    """
    from medbench.cache_entries import cache_entries

    found = [entry for entry in cache_entries(settings.cache) if kind in {None, entry.kind}]
    chosen = {entry.folder: entry for entry in found if everything or not entry.key}
    if older_than is not None:
        chosen |= {one.folder: one for one in found if one.used < time.time() - older_than * _DAY}
    if max_gb is not None:
        chosen |= {one.folder: one for one in _beyond(found, max_gb * 1e9)}
    if method is not None or dataset is not None:
        named = [one for one in found if _is_named(one, method, dataset)]
        if not named:
            raise UsageError("nothing of that name is kept", fix="medbench cache ls")
        chosen |= {one.folder: one for one in named}
    if not everything and older_than is None and max_gb is None and method is None and dataset is None:
        registry = load_registry()
        current = _manifests(registry, settings)
        chosen |= {one.folder: one for one in found if _is_outdated(one, registry, current)}
    if everything and kind is None and not dry_run:
        shutil.rmtree(settings.cache / "floors", ignore_errors=True)  # small files of protocols, as easily made again
    gone = [entry for entry in chosen.values() if _is_removed(entry, dry_run=dry_run)]
    size = sum(entry.size for entry in gone) / 1e6
    click.echo(f"{len(gone)} of {len(found)} entries, {size:,.1f} MB{' (nothing was removed)' if dry_run else ''}")


def _is_removed(entry: CacheEntry, *, dry_run: bool) -> bool:
    """Whether the entry is removed, or would be; one that is in use or may not be removed is passed over with a line."""
    named_as = " ".join((entry.kind, entry.method, entry.dataset, entry.name))
    click.echo(f"{'would remove' if dry_run else 'removing'} {named_as}, {entry.size / 1e6:.1f} MB")
    try:
        if not dry_run:
            entry.remove()
    except StoreError as error:
        click.echo(f"left: {error}", err=True)
        return False
    return True


def _is_named(entry: CacheEntry, method: str | None, dataset: str | None) -> bool:
    of_method = method is None or method in {entry.method, entry.method.partition("@")[0]}
    return of_method and (dataset is None or entry.dataset == dataset)


def _beyond(found: list[CacheEntry], limit: float) -> list[CacheEntry]:
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


def _is_outdated(entry: CacheEntry, registry: Registry, current: dict[str, str]) -> bool:
    """Of an older format, method version or older data; an entry of a method or data that are not here is left alone.

    Pixels follow their data by themselves, but for a dataset's folder that was moved or removed: nothing finds them then.
    """
    root = entry.key.get("root", "")
    if entry.kind == "pixels" and root and not Path(root).exists():
        return True
    model = entry.key.get("model", {})
    spec = registry.methods.get(model.get("method"))
    return (
        not entry.is_readable
        or (spec is not None and spec.version != model.get("version"))
        or (entry.kind != "pixels" and entry.dataset in current and entry.key.get("manifest") != current[entry.dataset])
    )
