"""``medbench report``: one self-contained HTML page to look at a results folder."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from medbench.cli.options import Settings, load_registry, settings_options
from medbench.errors import UsageError
from medbench.leaderboard.text import clean
from medbench.registry import Registry
from medbench.report.extras import ReportOptions
from medbench.selection import select_tasks
from medbench.store import ResultStore


@click.command("report")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@settings_options
@click.option("--out", type=click.Path(path_type=Path), default=Path("report.html"), help="The page (report.html).")
@click.option("--title", default="medbench report", metavar="TEXT", help="What the page is headed.")
@click.option("--tasks", default="all", metavar="SELECTION", help="Tasks whose records are shown.")
@click.option("--no-predictions", is_flag=True, help="Read records alone: no groups, no examples.")
@click.option(
    "--examples", type=click.IntRange(0, 50), default=3, metavar="N", help="Right and wrong ones a method (3 each)."
)
@click.option(
    "--with-restricted", is_flag=True, help="Embed pictures and texts also of data that may not be handed on."
)
def report_command(
    folder: Path | None,
    settings: Settings,
    out: Path,
    title: str,
    tasks: str,
    no_predictions: bool,
    examples: int,
    with_restricted: bool,
) -> int:
    """Write one HTML page of a results folder, or of a leaderboards folder with its records.

    The page needs no network. The same records and data give the same bytes. Pictures and texts of data whose access is not
    open are left out unless you ask for them.
    """
    registry = load_registry()
    chosen = {task.id for task in select_tasks(tasks, registry)} if registry.tasks else set()
    store = ResultStore(_records_folder(folder or settings.results))
    if (out.exists() or out.is_symlink()) and not out.is_file():
        kind = "a folder" if out.is_dir() else "not a regular file, and would be replaced"
        raise UsageError(f"{out} is {kind}", fix="name the page's file with --out")
    options = ReportOptions(title=title, predictions=not no_predictions, examples=examples, restricted=with_restricted)
    return _write(store, registry, chosen, settings, options, out)


def _records_folder(folder: Path) -> Path:
    """Where the records lie: the folder itself, or ``records`` in it, as leaderboards keep them."""
    if not folder.is_dir():
        raise UsageError(f"no results folder at {folder}", fix="name the folder of a run's results, or --results")
    inner = folder / "records"
    return inner if next(inner.glob("*/*/*.json"), None) is not None else folder


def _write(
    store: ResultStore, registry: Registry, chosen: set[str], settings: Settings, options: ReportOptions, out: Path
) -> int:
    from medbench.files import write_bytes_atomically
    from medbench.leaderboard.table import Specs
    from medbench.report.build import build_report
    from medbench.report.page import render

    loaded = store.read_all()
    records = [record for record in loaded.records if record.task in chosen or record.task not in registry.tasks]
    specs = Specs(tasks=registry.tasks, methods=registry.methods, datasets=registry.datasets)
    report = build_report(records, specs, store, settings, options, problems=loaded.problems, tell=_progress)
    for line in report.damage:
        click.echo(f"error: {clean(line)}", err=True)
    for line in report.payload.notices:
        click.echo(f"warning: {clean(line)}", err=True)
    page = render(report.payload).encode()
    write_bytes_atomically(out.resolve(), page)  # of a link the file that it leads to
    click.echo(f"wrote {out}: {_size(len(page))}, {len(report.payload.tables)} tables of {len(records)} records")
    return 1 if report.damage else 0


def _progress(label: str) -> None:
    """A line for a person who waits; nothing where stderr goes to a file."""
    if sys.stderr.isatty():
        click.echo(f"reading {clean(label)}", err=True)


def _size(number: int) -> str:
    return f"{number / 1e6:.1f} MB" if number >= 1e6 else f"{number / 1e3:.0f} kB"
