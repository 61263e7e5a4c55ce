"""Drawing a chest from the side: spine behind, sternum and heart in front, both lungs over each other between them."""

from __future__ import annotations

import cv2
import numpy as np

from medbench_datasets.drawing import Thorax, inside


def draw_lateral(side: int, rng: np.random.Generator) -> Thorax:
    """A healthy chest of ``side`` pixels that faces the image's left; both of its lungs are the one dark region."""
    rows, columns = (np.mgrid[0:side, 0:side].astype(np.float32) + 0.5) * (2 / side) - 1
    columns = columns - np.float32(rng.normal(0, 0.03))
    soft = 6.0 / side
    body = inside((np.abs(columns) / rng.uniform(0.72, 0.8)) ** 4 + (np.abs(rows) / 1.2) ** 4 - 1, soft)
    outline = (np.abs(columns + 0.05) / rng.uniform(0.48, 0.54)) ** 2.6 + (np.abs(rows + 0.05) / 0.72) ** 2.6 - 1
    diaphragm = (rows - rng.uniform(0.42, 0.5) + 0.25 * columns) * 4
    lung = np.maximum(outline, diaphragm)
    heart = ((columns + 0.3) / rng.uniform(0.2, 0.26)) ** 2 + ((rows - 0.2) / rng.uniform(0.22, 0.28)) ** 2 - 1
    aeration = inside(lung, soft)
    pixels = (0.62 + 0.08 * rows) * (1 - aeration) + rng.uniform(0.2, 0.26) * aeration
    pixels += 0.22 * inside(heart, soft) * aeration
    vertebrae = 0.6 + 0.4 * np.cos(rows * rng.uniform(28, 34))
    pixels += 0.2 * inside(np.abs(columns - 0.52) / 0.1 - 1, soft) * vertebrae
    pixels += 0.02 * cv2.GaussianBlur(rng.standard_normal((side, side)).astype(np.float32), (0, 0), 1.0)
    pixels = np.clip(pixels, 0.02, 1.0) * body
    return Thorax(pixels.astype(np.float32), lung < 0, lung < 0)
