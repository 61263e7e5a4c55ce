"""Relevance maps drawn over the image, as the release of the brain BLIP draws them (its ``vis.py``, ``getAttMap``).

A map is scaled to 0..1, enlarged by cubic splines, blurred by 2 % of the longer side and scaled again; the colour map
"jet" is blended in by ``relevance ** 0.7``, so that irrelevant places show the image.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from medbench.files import write_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medbench.explain import Explanation

_BLUR = 0.02
_POWER = 0.7
_COLUMNS = 6


def overlay(pixels: NDArray[np.uint8], relevance: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W, 3) image and (h, w) map -> (H, W, 3); a map that is the same everywhere leaves the image as it is."""
    from matplotlib import colormaps
    from scipy import ndimage

    height, width = pixels.shape[:2]
    factors = (height / relevance.shape[0], width / relevance.shape[1])
    large = ndimage.zoom(_scaled(relevance), factors, order=3, mode="nearest", grid_mode=True)
    heat = _scaled(ndimage.gaussian_filter(large, _BLUR * max(height, width)))
    colours = 255 * np.asarray(colormaps["jet"](heat))[..., :3]
    weight = heat[..., None] ** _POWER
    blended: NDArray[np.uint8] = np.rint((1 - weight) * pixels + weight * colours).astype(np.uint8)
    return blended


def write_overlay(explanation: Explanation, path: Path) -> None:
    """The map of the whole text as PNG. Raises `StoreError`."""
    picture = Image.fromarray(overlay(explanation.pixels, explanation.whole))
    write_atomically(path, lambda partial: picture.save(partial, format="PNG"))


def write_grid(explanation: Explanation, path: Path) -> None:
    """The image and then a map a token, named, each scaled to its own range, as PNG. Raises `StoreError`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [("image", explanation.pixels)]
    panels += [
        (token, overlay(explanation.pixels, one))
        for token, one in zip(explanation.tokens, explanation.maps, strict=True)
    ]
    rows = -(-len(panels) // _COLUMNS)
    figure = Figure(figsize=(2 * _COLUMNS, 2.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, panel in zip(
        figure.subplots(rows, _COLUMNS, squeeze=False).flat, [*panels, *[None] * _COLUMNS], strict=False
    ):
        axes.set_axis_off()
        if panel is not None:
            axes.set_title(panel[0].replace("$", r"\$"), fontsize=9)
            axes.imshow(panel[1])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box stands for it
        write_atomically(path, lambda partial: figure.savefig(partial, format="png", dpi=110))


def _scaled(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """To 0..1; all 0 where nothing differs."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)
