"""``medbench leaderboard build|check|add``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from medbench.cli.options import Settings, load_registry, settings_options
from medbench.errors import StaleError, UsageError
from medbench.leaderboard.text import clean
from medbench.store import ResultStore

if TYPE_CHECKING:
    from medbench.leaderboard.outputs import Format
    from medbench.records import Record

_OUT = click.option(
    "--out", type=click.Path(path_type=Path), default=Path("leaderboards"), help="Folder of the leaderboard."
)
_FORMAT = click.option(
    "--format",
    "formats",
    metavar="LIST",
    help="Some of markdown, csv, json, latex, by commas; else markdown and what of the others is there.",
)


@click.group("leaderboard")
def leaderboard_command() -> None:
    """Build the leaderboard from records, check that it is fresh, or publish records in it.

    The records are those published in the folder's own records/, where it has any such folder, else those of the results
    folder; --results names another.
    """


@leaderboard_command.command("build")
@settings_options
@_OUT
@_FORMAT
def build_command(settings: Settings, out: Path, formats: str | None) -> None:
    """Write a page a task, a page a method and an overview. The same records give the same bytes."""
    from medbench.leaderboard.folder import write_files

    chosen = _formats(formats, out)
    files = _files(settings, out, chosen)
    removed = write_files(out, files, chosen)
    for name in sorted(files):
        click.echo(f"wrote {out / name}")
    for name in removed:
        click.echo(f"removed {out / name}, which has no records any more")


@leaderboard_command.command("check")
@settings_options
@_OUT
@_FORMAT
def check_command(settings: Settings, out: Path, formats: str | None) -> None:
    """Exit 1, with the difference, where the files are not what the records give."""
    from medbench.leaderboard.folder import stale_files

    chosen = _formats(formats, out)
    stale = stale_files(out, _files(settings, out, chosen), chosen)
    for one in stale:
        click.echo(one.diff)
    if stale:
        names = ", ".join(one.path for one in stale)
        asked = "" if formats is None else f" --format {','.join(chosen)}"
        raise StaleError(f"the leaderboard is stale: {names}", fix=f"medbench leaderboard build --out {out}{asked}")
    click.echo("the leaderboard is fresh")


@leaderboard_command.command("add")
@settings_options
@click.option("--tasks", default="all", metavar="SELECTION", help="Tasks whose records are published.")
@_OUT
@click.option("--phantom", is_flag=True, help="Take records of generated data too.")
@click.option("--replace", is_flag=True, help="Take records over published ones of the same trial that say otherwise.")
def add_command(settings: Settings, tasks: str, out: Path, phantom: bool, replace: bool) -> int:
    """Copy records of a results folder into the leaderboard's own, for `build` to read."""
    from medbench.leaderboard.published import RECORDS, publish
    from medbench.selection import select_tasks

    registry = load_registry()
    chosen = None if tasks == "all" else {task.id for task in select_tasks(tasks, registry)}
    records = [one for one in _read(_results(settings)) if chosen is None or one.task in chosen]
    if not records:
        raise UsageError(f"no record of these tasks in {settings.results}", fix="medbench run makes some")
    added = publish(records, out, registry.tasks, phantom=phantom, replace=replace)
    for line in added.refused:
        click.echo(f"error: left out {clean(line)}", err=True)
    if added.phantom:
        click.echo(f"warning: left out {len(added.phantom)} phantom records; --phantom takes them", err=True)
    taken = len(added.new) + len(added.replaced) + len(added.unchanged)
    counts = f"{len(added.new)} new, {len(added.replaced)} changed, {len(added.unchanged)} as they were"
    click.echo(f"{out / RECORDS}: {taken} records, {counts}")
    return 1 if added.refused or not taken else 0


def _files(settings: Settings, out: Path, formats: tuple[Format, ...]) -> dict[str, bytes]:
    from medbench.leaderboard.outputs import build_files
    from medbench.leaderboard.rows import conflicts_of
    from medbench.leaderboard.table import Specs

    registry = load_registry()
    records = _read(_source(settings, out))
    for conflict in conflicts_of(records):
        click.echo(f"warning: {clean(conflict)}", err=True)
    return build_files(records, Specs(registry.tasks, registry.methods, registry.datasets), formats)


def _formats(named: str | None, out: Path) -> tuple[Format, ...]:
    from medbench.leaderboard.folder import formats_present
    from medbench.leaderboard.outputs import formats_of

    return formats_present(out) if named is None else formats_of(named)


def _source(settings: Settings, out: Path) -> ResultStore:
    """The published records where there is a folder of them and no --results, else the results folder."""
    from medbench.leaderboard.published import published_store

    published = published_store(out)
    named = click.get_current_context().get_parameter_source("results") is ParameterSource.COMMANDLINE
    store = published if published.root.is_dir() and not named else _results(settings)
    click.echo(f"reading records of {store.root}", err=True)
    return store


def _results(settings: Settings) -> ResultStore:
    if not settings.results.is_dir():
        raise UsageError(f"no results folder at {settings.results}", fix="name it with --results")
    return ResultStore(settings.results)


def _read(store: ResultStore) -> tuple[Record, ...]:
    """Every record that can be read; a damaged one costs itself alone, with a warning."""
    loaded = store.read_all()
    for problem in loaded.problems:
        click.echo(f"warning: {clean(problem)}", err=True)
    return loaded.records
