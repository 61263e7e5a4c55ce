"""Generated stand-ins for the brain figures and their panels, in the pipeline's JSON, with captions of what was drawn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from PIL import Image

from medbench.samples import Region
from medbench_datasets.brain_pubmed_boxes import FOLDERS
from medbench_datasets.brain_pubmed_rows import FILES, IMAGES
from medbench_datasets.phantom_questions import finding_of
from medbench_datasets.phantom_scenes import Scene, draw_scene

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.samples import PhantomSize

PREFIX = "/lfs/authors/own/folder/of/brain/case/reports/figs/"
"""As in the release, a path of the authors' own of 51 characters, which says nothing to others."""
_LAYOUTS: tuple[tuple[int, int], ...] = ((1, 1), (1, 2), (2, 2))
_LAYOUT_SHARES = (0.3, 0.35, 0.35)
_SHARED_ARTICLE_EVERY = 6
_WORDINGS = (
    "{modality} of the brain shows {finding}.",
    "{finding} on <b>brain</b> {modality}.",
    "<b>Brain</b> {modality}: {finding}.",
)


class Panel(NamedTuple):
    """A part of a figure: its letter ('' in a figure of one), where it lies, what it shows, and its caption."""

    letter: str
    region: Region
    scene: Scene
    caption: str


class Figure(NamedTuple):
    """A figure of (side, side) uint8 with one, two or four panels."""

    name: str
    article: str
    panels: tuple[Panel, ...]
    pixels: NDArray[np.uint8]


def draw_figures(size: PhantomSize) -> Iterator[Figure]:
    """``size.images`` figures; same size and seed, same figures. Every sixth is of the same article as the one before."""
    rng = np.random.default_rng(size.seed)
    article = 0
    for index in range(size.images):
        if index % _SHARED_ARTICLE_EVERY != _SHARED_ARTICLE_EVERY - 1:
            article += 1
        layout = _LAYOUTS[int(rng.choice(len(_LAYOUTS), p=_LAYOUT_SHARES))]
        panels = tuple(_draw_panels(layout, size.side, rng))
        yield Figure(f"{index}.png", f"PMC{900000 + article}", panels, _compose(panels, size.side))


def write_figures(root: Path, size: PhantomSize) -> None:
    """Write whole figures with whole captions under ``root``; same size, same bytes."""
    rows = []
    for number, figure in enumerate(_saved(root, size)):
        row = {"image": PREFIX + figure.name, "caption": whole_caption(figure), "image_id": str(number)}
        rows.append(row | {"img_url": _url(figure)})
    _write_lists(root, rows, size.seed)


def write_panels(root: Path, size: PhantomSize) -> None:
    """Write figures, a row a panel, and boxes with their letters under ``root``; same size, same bytes."""
    boxes = root / FOLDERS[0]
    boxes.mkdir(parents=True, exist_ok=True)
    rows = []
    for figure in _saved(root, size):
        rows += [
            {"Img_id": figure.name, "Sub_ID": panel.letter, "text": panel.caption, "img_url": _url(figure)}
            for panel in figure.panels
        ]
        listed = [_box(panel) for panel in figure.panels]
        (boxes / f"{figure.name}.json").write_text(json.dumps(listed), encoding="utf-8")
    _write_lists(root, rows, size.seed)


def whole_caption(figure: Figure) -> str:
    """The panels' captions behind their letters."""
    return " ".join(f"({one.letter}) {one.caption}" if one.letter else one.caption for one in figure.panels)


def _draw_panels(layout: tuple[int, int], side: int, rng: np.random.Generator) -> Iterator[Panel]:
    down, across = layout
    edge = side // max(layout)
    for index in range(down * across):
        scene = draw_scene(edge, rng, organ="head")
        finding = finding_of(scene) or "no lesion"
        wording = _WORDINGS[int(rng.integers(len(_WORDINGS)))]
        region = Region((index % across) * edge, (index // across) * edge, edge, edge)
        letter = "abcd"[index] if down * across > 1 else ""
        yield Panel(letter, region, scene, wording.format(modality=scene.modality.upper(), finding=finding))


def _compose(panels: Sequence[Panel], side: int) -> NDArray[np.uint8]:
    """The panels on white, each with its letter in the corner."""
    pixels = np.full((side, side), 255, np.uint8)
    for panel in panels:
        drawn = panel.scene.pixels.copy()
        if panel.letter:
            height = panel.region.height
            cv2.putText(drawn, panel.letter, (1, height // 6 + 1), cv2.FONT_HERSHEY_SIMPLEX, height / 160, 255)
        x, y, width, height = panel.region
        pixels[y : y + height, x : x + width] = drawn
    return pixels


def _saved(root: Path, size: PhantomSize) -> Iterator[Figure]:
    (root / IMAGES).mkdir(parents=True, exist_ok=True)
    for figure in draw_figures(size):
        Image.fromarray(figure.pixels).convert("RGB").save(root / IMAGES / figure.name)
        yield figure


def _url(figure: Figure) -> str:
    return f"https://openi.nlm.nih.gov/imgs/512/1/{figure.article[3:]}/{figure.article}_{figure.name}"


def _box(panel: Panel) -> dict[str, Any]:
    x, y, width, height = panel.region
    return {"x": x, "y": y, "w": width, "h": height, "OCR": [panel.letter + "\n", panel.letter] if panel.letter else []}


def _write_lists(root: Path, rows: Sequence[dict[str, Any]], seed: int) -> None:
    """Rows divided 75/12.5/12.5, at least one a part, whatever figure they are of."""
    order = np.random.default_rng((seed, 1)).permutation(len(rows))
    held = max(1, round(len(rows) / 8))
    members = {"test": order[:held], "valid": order[held : 2 * held], "train": order[2 * held :]}
    for part, name in FILES.items():
        listed = [rows[index] for index in members[part]]
        (root / name).write_text(json.dumps(listed), encoding="utf-8")
