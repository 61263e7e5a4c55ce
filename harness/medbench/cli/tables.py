"""``medbench tables``: label-efficiency, overview, paired tests, groups and plots of a results folder."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from medbench.cli.options import Settings, load_registry, settings_options
from medbench.errors import UsageError
from medbench.leaderboard.text import clean
from medbench.registry import Registry
from medbench.selection import select_tasks
from medbench.store import ResultStore


@click.command("tables")
@settings_options
@click.option("--tasks", default="all", metavar="SELECTION", help="Tasks whose records are shown.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the tables (default: tables in the results).")
@click.option("--no-plots", is_flag=True, help="Write tables alone.")
def tables_command(settings: Settings, tasks: str, out: Path | None, no_plots: bool) -> int:
    """Write label-efficiency tables, an overview, paired tests, groups and plots from records and kept predictions.

    The same records give the same bytes. Files of a former run that this one does not make are removed.
    """
    registry = load_registry()
    chosen = {task.id for task in select_tasks(tasks, registry)} if registry.tasks else set()
    if not settings.results.is_dir():
        raise UsageError(f"no results folder at {settings.results}", fix="name it with --results")
    if not no_plots:
        _check_matplotlib()
    return _write(settings, registry, chosen, out or settings.results / "tables", plots=not no_plots)


def _write(settings: Settings, registry: Registry, chosen: set[str], out: Path, *, plots: bool) -> int:
    from medbench.tables.build import build_tables_of
    from medbench.tables.files import write_files

    store = ResultStore(settings.results)
    loaded = store.read_all()
    records = [record for record in loaded.records if record.task in chosen or record.task not in registry.tasks]
    built = build_tables_of(records, registry, store, plots=plots, tell=_progress)
    damage = [*loaded.problems, *built.damage]
    if not records:
        built.missing.append(f"no record of these tasks in {settings.results}")
    for line in built.missing:
        click.echo(f"warning: {clean(line)}", err=True)
    for line in damage:
        click.echo(f"error: {clean(line)}", err=True)
    for path in write_files(out, built.files):
        click.echo(f"removed {path}, which this run does not make")
    click.echo(f"wrote {len(built.files)} files to {out}; start at {out / 'overview.md'}")
    return 1 if damage else 0


def _progress(label: str) -> None:
    """A line for a person who waits; nothing where stderr goes to a file."""
    if sys.stderr.isatty():
        click.echo(f"reading {clean(label)}", err=True)


def _check_matplotlib() -> None:
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise UsageError("plots need matplotlib, which is not installed", fix="pip install matplotlib, or --no-plots")
