"""``medbench check-plugin``."""

from __future__ import annotations

from pathlib import Path

import click

from medbench.registry import Registry


@click.command("check-plugin")
@click.argument("package")
@click.option(
    "--checkpoints",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Checkpoints folder with the real weights of its methods (default: a phantom of them is drawn).",
)
def check_plugin_command(package: str, checkpoints: Path | None) -> int:
    """Hold all that PACKAGE (a distribution or the name of a plugin) offers to the contract.

    Says what is wrong, a line each, and exits 1; what could not be tried is said too. 2: no such package is installed.
    """
    registry = Registry.load()
    from medbench.testing.plugin_checks import plugin_reports, plugins_of

    wrong = checked = untried = 0
    for plugin in plugins_of(package, registry):
        for report in plugin_reports(plugin, registry, checkpoints=checkpoints):
            wrong += len(report.findings)
            itself = report.subject.startswith("plugin ")
            checked += report.tried and not itself
            untried += not report.tried
            if report.findings or not report.tried or not itself:
                click.echo(report.text)
    click.echo(f"{checked} checked, {wrong} findings" + (f", {untried} not tried" if untried else ""), err=True)
    return 1 if wrong else 0
