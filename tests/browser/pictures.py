"""Synthetic films, masks and heat maps as data URIs."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from medbench.masks import encode_mask
from medbench.report.pictures import ANSWER, TRUTH, MaskPictures, mask_pictures

SIZE = 160


def film(seed: int) -> str:
    """A thorax-like picture: two dark fields on a bright ground, a blob, noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    shade = 150 - 90 * (_blob(x, y, 0.3, 0.5, 0.16, 0.3) + _blob(x, y, 0.7, 0.5, 0.16, 0.3))
    shade += 60 * _blob(x, y, *centre(seed), 0.09, 0.09) + rng.normal(0, 6, shade.shape)
    return _uri(Image.fromarray(np.clip(shade, 0, 255).astype(np.uint8)))


def centre(seed: int) -> tuple[float, float]:
    """Where the blob of `film` lies, in shares of the sides."""
    rng = np.random.default_rng(seed + 1000)
    return float(rng.choice([0.3, 0.7]) + rng.uniform(-0.05, 0.05)), float(rng.uniform(0.35, 0.65))


def mask(seed: int, *, truth: bool, shift: float = 0.0) -> MaskPictures:
    """A mask of the blob, in the colour of truths or of answers."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    across, down = centre(seed)
    inside = _blob(x, y, across + shift, down, 0.09, 0.09) > 0.4
    return mask_pictures(encode_mask(inside.astype(np.uint8)), SIZE, SIZE, TRUTH if truth else ANSWER)


def heat(seed: int, *, shift: float = 0.0) -> str:
    """A heat map around the blob, stronger where more relevant."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    across, down = centre(seed)
    return _uri(Image.fromarray(_tinted(255 * _blob(x, y, across + shift, down, 0.2, 0.2), (230, 80, 0)), "RGBA"))


def _blob(x: np.ndarray, y: np.ndarray, across: float, down: float, wide: float, high: float) -> np.ndarray:
    return np.exp(-(((x - across) / wide) ** 2 + ((y - down) / high) ** 2))


def _tinted(alpha: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.dstack([np.full(alpha.shape, channel) for channel in colour] + [alpha]).astype(np.uint8)


def _uri(picture: Image.Image) -> str:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
