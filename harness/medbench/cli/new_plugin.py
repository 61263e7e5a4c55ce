"""``medbench new-plugin``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from medbench.cli.options import load_registry
from medbench.kit.package import KINDS, Kind, NewPackage, check_name, write_package


@click.command("new-plugin")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="Folder to write it in (default: here).")
def new_plugin_command(kind: Kind, name: str, out: Path) -> None:
    """Write a package, medbench-NAME, for a method, dataset or task of your own.

    It works and passes its own tests as it is; edit it from there.
    """
    package = NewPackage(kind, name)
    check_name(package, load_registry())
    for path in write_package(package, out):
        click.echo(path)
    folder = out / package.distribution
    click.echo(
        f"next: cd {shlex.quote(str(folder))} && python -m pip install -e '.[test]' && python -m pytest", err=True
    )
