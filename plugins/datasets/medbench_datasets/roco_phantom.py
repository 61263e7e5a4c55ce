"""A generated stand-in for ROCO in its own layout: captioned figures, some of them with a coloured frame that is told of."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from medbench_datasets import drawing, lateral_drawing, phantom_reports, roco, roco_lists

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.samples import PhantomSize

_PARTS = ("train", "test", "validation", "train", "train", "test", "train", "train")
_FRAMES = {"red": (200, 30, 30), "yellow": (220, 200, 30), "blue": (40, 60, 200)}
_FRAMED_SHARE, _LATERAL_SHARE, _SECOND_SHARE = 0.5, 0.2, 0.2
_FRAME_WIDTH = 0.04
_FIRST_ARTICLE = 9_000_001
_LICENCE = "CC BY"


class Case(NamedTuple):
    """A figure, (side, side, 3) uint8, of an article, and its caption."""

    name: str
    article: str
    figure: str
    part: str
    caption: str
    pixels: NDArray[np.uint8]


def draw_cases(size: PhantomSize) -> Iterator[Case]:
    """``size.images`` figures of somewhat fewer articles; same size, same cases."""
    rng = np.random.default_rng(size.seed)
    article = number = 0
    for index in range(size.images):
        if index and number == 1 and rng.random() < _SECOND_SHARE:
            number = 2
        else:
            article, number = article + 1, 1
        lateral = rng.random() < _LATERAL_SHARE
        draw = lateral_drawing.draw_lateral if lateral else drawing.draw_thorax
        thorax = draw(size.side, rng)
        thorax, drawn = (thorax, ()) if lateral else phantom_reports.draw_findings(thorax, rng)
        subject = "lateral chest radiograph" if lateral else "frontal chest radiograph"
        caption = phantom_reports.caption_text(drawn, rng, subject=subject)
        pixels = np.repeat(drawing.finish(thorax, rng)[:, :, None], 3, axis=2)
        if rng.random() < _FRAMED_SHARE:
            colour = str(rng.choice(list(_FRAMES)))
            pixels, caption = _framed(pixels, _FRAMES[colour]), f"{caption} The frame is {colour}."
        yield Case(
            name=f"ROCO_{index + 1:05d}",
            article=f"PMC{_FIRST_ARTICLE + article}",
            figure=f"phantom-g{number:03d}.jpg",
            part=_PARTS[article % len(_PARTS)],
            caption=caption,
            pixels=pixels,
        )


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write captions, licences, links and the JPEG images of the three parts; same size, same bytes."""
    cases = list(draw_cases(size))
    for part in roco.PARTS:
        folder = root / "data" / part / roco.RADIOLOGY
        (folder / roco.IMAGES).mkdir(parents=True, exist_ok=True)
        own = [case for case in cases if case.part == part]
        captions = "".join(f"{case.name}\t {case.caption}\n" for case in own)
        (folder / roco_lists.CAPTIONS).write_text(captions, encoding="utf-8")
        links = "".join(
            f"{case.name}\twget -r ftp://phantom/00/00/{case.article}.tar.gz -P /path/to/Dir\t{case.figure}\n"
            for case in own
        )
        (folder / roco_lists.LINKS).write_text(links, encoding="utf-8")
        with (folder / roco_lists.LICENCES).open("w", encoding="utf-8", newline="") as file:
            rows = [[case.name, f"{case.article}_{case.figure}", _LICENCE] for case in own]
            csv.writer(file).writerows([roco_lists.LICENCE_COLUMNS, *rows])
        for case in own:
            Image.fromarray(case.pixels).save(folder / roco.IMAGES / f"{case.article}_{case.figure}", quality=95)


def _framed(pixels: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    width = max(2, round(_FRAME_WIDTH * len(pixels)))
    framed = np.full_like(pixels, colour)
    framed[width:-width, width:-width] = pixels[width:-width, width:-width]
    return framed
