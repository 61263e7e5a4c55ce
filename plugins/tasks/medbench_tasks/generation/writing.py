"""Reports that a method writes itself, from the images of each study, kept as they come."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

import torch

from medbench.errors import StoreError, TrialError
from medbench_tasks.generation.studies import view_counts
from medbench_tasks.precision import autocast

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from medbench.capabilities import ReportGenerator
    from medbench.manifest import Manifest, Which
    from medbench.protocols import TrialContext
    from medbench_tasks.generation.recipe import GenerationRecipe


def write_reports(generator: ReportGenerator, manifest: Manifest, context: TrialContext) -> list[str]:
    """A report for each study of ``manifest``, by beam search as the trial's recipe says.

    Each batch is added to a file in the trial's work folder, of this method and its code alone, so that neither a kill nor
    an image that cannot be read loses what was written before. Raises `ImageError` for such an image, `TrialError` where the
    method gives another number of reports, and `StoreError` where the disk does not take them.
    """
    recipe: GenerationRecipe = context.recipe  # type: ignore[assignment]
    writer = hashlib.sha256(repr(context.features.identity).encode()).hexdigest()[:12]
    path = context.work_dir / f"written-{writer}.jsonl"
    written = _read(path)
    left = [row for row, sample_id in enumerate(manifest.sample_ids) if sample_id not in written]
    context.progress.phase("evaluate", len(manifest))
    context.progress.advance(len(manifest) - len(left))
    rest = manifest.take(left)
    ids = iter(rest.sample_ids)
    for images in _batches(_studies(rest, generator, context, recipe.batch_size), recipe.batch_size):
        found = dict(zip(islice(ids, len(images)), _generate(generator, images, context), strict=True))
        _append(path, found)
        written |= found
        context.progress.advance(len(found))
    return [written[sample_id] for sample_id in manifest.sample_ids]


def _studies(manifest: Manifest, generator: ReportGenerator, context: TrialContext, batch: int) -> Iterator[Tensor]:
    """The images of each study (views, 3, H, W), the last one again where it has fewer than the generator reads."""
    counts = view_counts(manifest, generator.views)

    def stream(view: int) -> Iterator[Tensor]:
        having = [row for row, count in enumerate(counts) if count > view]
        which: Which = "image" if view == 0 else view - 1
        batches = context.features.images(
            manifest.take(having), batch=batch, preprocess=generator.preprocess, image=which
        )
        return (image for images in batches for image in images)

    streams = [stream(view) for view in range(generator.views)]
    for count in counts:
        views = [next(images) for images in streams[:count]]
        yield torch.stack(views + views[-1:] * (generator.views - count))


def _batches(studies: Iterator[Tensor], size: int) -> Iterator[Tensor]:
    """(B, views, 3, H, W) of ``size`` each."""
    while batch := list(islice(studies, size)):
        yield torch.stack(batch)


def _generate(generator: ReportGenerator, images: Tensor, context: TrialContext) -> list[str]:
    recipe: GenerationRecipe = context.recipe  # type: ignore[assignment]
    with torch.no_grad(), autocast(context.compute):
        reports = generator.generate(
            images, beams=recipe.beams, min_length=recipe.min_length, max_length=recipe.max_length
        )
    if len(reports) != len(images):
        raise TrialError(
            f"{context.features.identity.label} writes {len(reports)} reports for {len(images)} studies: one each is needed"
        )
    return reports


def _read(path: Path) -> dict[str, str]:
    """What an earlier start wrote, by sample; a last line that a kill cut short is written anew."""
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    found: dict[str, str] = {}
    for line in lines:
        with suppress(json.JSONDecodeError):
            if line.endswith("\n"):
                found |= json.loads(line)
    return found


def _append(path: Path, reports: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps({sample_id: report}) + "\n" for sample_id, report in reports.items())
    try:
        with path.open("a+b") as file:
            end = file.seek(0, 2)
            file.seek(max(end - 1, 0))
            cut = end and file.read(1) != b"\n"
            file.write(("\n" if cut else "").encode() + lines.encode())
    except OSError as error:
        raise StoreError(f"cannot keep reports in {path.name}: {error.strerror}") from error
