"""``medbench leaderboard build|check``."""

from __future__ import annotations

from pathlib import Path

import click

from medbench.cli.options import Settings, load_registry, settings_options
from medbench.errors import StaleError, UsageError
from medbench.store import ResultStore

_OUT = click.option(
    "--out", type=click.Path(path_type=Path), default=Path("leaderboards"), help="Folder of the Markdown pages."
)


@click.group("leaderboard")
def leaderboard_command() -> None:
    """Build the leaderboard's Markdown from records, or check that it is fresh."""


@leaderboard_command.command("build")
@settings_options
@_OUT
def build_command(settings: Settings, out: Path) -> None:
    """Write one page a task and an overview. The same records give the same bytes."""
    from medbench.files import write_bytes_atomically
    from medbench.leaderboard.pages import superseded_pages

    pages = _pages(settings)
    for name, text in sorted(pages.items()):
        write_bytes_atomically(out / name, text.encode())
        click.echo(f"wrote {out / name}")
    for path in superseded_pages(out, pages):
        path.unlink()
        click.echo(f"removed {path}, which has no records any more")


@leaderboard_command.command("check")
@settings_options
@_OUT
def check_command(settings: Settings, out: Path) -> None:
    """Exit 1, with the difference, where the pages are not what the records give."""
    from medbench.leaderboard.pages import check_pages

    stale = check_pages(out, _pages(settings))
    for one in stale:
        click.echo(one.diff)
    if stale:
        names = ", ".join(str(one.path) for one in stale)
        raise StaleError(f"the leaderboard is stale: {names}", fix=f"medbench leaderboard build --out {out}")
    click.echo("the leaderboard is fresh")


def _pages(settings: Settings) -> dict[str, str]:
    from medbench.leaderboard.pages import build_pages

    registry = load_registry()
    if not settings.results.is_dir():
        raise UsageError(f"no results folder at {settings.results}", fix="name it with --results")
    loaded = ResultStore(settings.results).read_all()
    for problem in loaded.problems:
        click.echo(f"warning: {problem}", err=True)
    return build_pages(list(loaded.records), registry.tasks, registry.methods)
