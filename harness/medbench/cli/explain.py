"""``medbench explain``: where a method looks in an image for a text, as pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from medbench.cli.options import Settings, load_registry, settings_options
from medbench.errors import UsageError


@click.command("explain")
@click.argument("method")
@click.option("--image", required=True, type=click.Path(path_type=Path), metavar="FILE", help="PNG, JPEG or DICOM.")
@click.option("--text", required=True, help="A sentence; for a method that grounds findings by name, a finding.")
@click.option("--out", type=click.Path(path_type=Path), default=Path(), metavar="DIR", help="Default: here.")
@click.option(
    "--target",
    type=click.Choice(["logit", "nll"]),
    default="logit",
    show_default=True,
    help="What the gradient follows: the score of a match, or its negative log-likelihood as some releases do.",
)
@settings_options
def explain_command(settings: Settings, method: str, image: Path, text: str, out: Path, target: Any) -> None:
    """Draw where METHOD looks in an image for a text: a picture of the whole text, and one with a panel a token."""
    from medbench.selection import select_methods

    choices = select_methods(method, load_registry(settings), settings.checkpoints)
    if len(choices) != 1:
        raise UsageError(f"'{method}' names {len(choices)} methods, one is explained at a time")

    from medbench.explain import explain
    from medbench.overlays import write_grid, write_overlay

    explanation = explain(choices[0], image, text, settings, target=target)
    words = re.sub(r"\W+", "-", text.lower()).strip("-")[:40]
    stem = "-".join(part for part in (choices[0].id, image.stem, words, target * (target != "logit")) if part)
    if explanation.phantom:
        click.echo(f"the weights of {choices[0].id} are generated: the pictures say nothing of the method", err=True)
    whole = out / f"{stem}.png"
    write_overlay(explanation, whole)
    click.echo(str(whole))
    if explanation.tokens:
        grid = out / f"{stem}-tokens.png"
        write_grid(explanation, grid)
        click.echo(str(grid))
