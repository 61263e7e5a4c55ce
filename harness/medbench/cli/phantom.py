"""``medbench phantom``."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import click

from medbench.cli.options import load_registry
from medbench.errors import UsageError
from medbench.phantom import PhantomRequest, write_phantom
from medbench.samples import PhantomSize
from medbench.selection import select_datasets, select_methods


@click.command("phantom")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--datasets", default="all", metavar="SELECTION")
@click.option("--methods", default="all", metavar="SELECTION")
@click.option("--images", default=64, show_default=True, help="Images in each dataset.")
@click.option("--side", default=256, show_default=True, help="Pixels of each side.")
@click.option("--seed", default=0, show_default=True)
def phantom_command(folder: Path, datasets: str, methods: str, images: int, side: int, seed: int) -> None:
    """Write generated datasets and checkpoints, in their official raw forms, and a medbench.toml, into FOLDER."""
    if images < 10 or side < 64:
        raise UsageError(f"{images} images of {side} pixels are too few", fix="use at least 10 images of 64 pixels")
    registry = load_registry()
    choices = select_methods(methods, registry, folder)
    variants: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for choice in choices:
        variants[choice.spec.id] += (choice.variant.id,)
    request = PhantomRequest(
        folder=folder,
        datasets=[registry.datasets[name] for name in select_datasets(datasets, registry)],
        methods=list({choice.spec.id: choice.spec for choice in choices}.values()),
        size=PhantomSize(images, side, seed),
        variants=variants,
    )
    write_phantom(request, click.echo)
