"""Drawing thorax-like images for phantoms: two dark lungs with ribs and vessels in a bright body, each patient different.

Everything random comes from the generator handed in. Pixels are floats of (side, side), 0 black to 1 white, until
`finish` makes them 8-bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from medbench.samples import Box

Pixels = NDArray[np.floating[Any]]
Region = NDArray[np.bool_]

_RIBS = 9


@dataclass(frozen=True)
class Thorax:
    """A drawn chest: its pixels, and the lungs as regions of them. The right lung is on the image's left."""

    pixels: Pixels
    right_lung: Region
    left_lung: Region

    @property
    def side(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def lungs(self) -> Region:
        return self.right_lung | self.left_lung


def draw_thorax(side: int, rng: np.random.Generator) -> Thorax:
    """A healthy chest of ``side`` pixels, placed, scaled, tilted and proportioned at random."""
    x, y = _patient_grid(side, rng)
    soft = 3.0 / side
    body = inside(_torso(x, y, rng), soft)
    lean, width, height = rng.uniform(0.06, 0.14), rng.uniform(0.27, 0.33), rng.uniform(0.54, 0.62)
    dome = rng.uniform(0.42, 0.52)
    right = _lung(-x, y, lean, width, height, dome - 0.05)
    left = _lung(x, y, lean, width * 0.95, height, dome)
    heart = ((x - rng.uniform(0.08, 0.14)) / rng.uniform(0.26, 0.34)) ** 2 + ((y - 0.26) / rng.uniform(0.24, 0.3)) ** 2
    left = np.maximum(left, (1.0 - heart) * 0.5)
    aeration = np.maximum(inside(right, 2 * soft), inside(left, 2 * soft))

    tissue = 0.62 + 0.08 * y + 0.05 * texture(side, 0.08, rng)
    lung = rng.uniform(0.2, 0.26) + 0.06 * texture(side, 0.012, rng) + 0.04 * texture(side, 0.04, rng)
    pixels = tissue * (1 - aeration) + lung * aeration
    pixels += 0.12 * inside(np.abs(x) / 0.11 - 1, 0.05) + 0.1 * inside(heart - 1, 0.1)
    pixels += _bones(x, y, rng)
    pixels = np.clip(pixels, 0.02, 1.0) * body
    return Thorax(pixels.astype(np.float32), right < 0, left < 0)


def add_opacity(thorax: Thorax, lung: Region, rng: np.random.Generator) -> tuple[Thorax, Box]:
    """A blurred bright ellipse centred in ``lung``, 0.18 to 0.35 of the side across, and the box tight around it."""
    side = thorax.side
    across, along = rng.uniform(0.18, 0.26) * side, rng.uniform(0.22, 0.35) * side
    angle = rng.uniform(-0.4, 0.4)
    row, column = _deep_point(lung, rng)
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32)
    u = (columns - column) * np.cos(angle) + (rows - row) * np.sin(angle)
    v = (rows - row) * np.cos(angle) - (columns - column) * np.sin(angle)
    shape = np.hypot(u / (across / 2), v / (along / 2)) - 1
    density = rng.uniform(0.75, 0.95) * inside(shape, 0.12)
    opaque = 0.78 + 0.06 * texture(side, 0.02, rng)
    pixels = thorax.pixels + density * np.maximum(opaque - thorax.pixels, 0)
    return replace(thorax, pixels=pixels.astype(np.float32)), tight_box(shape < 0, 0)


def add_pneumothorax(thorax: Thorax, lung: Region, rng: np.random.Generator) -> tuple[Thorax, Region]:
    """Air between ``lung`` and the chest wall: a dark, textureless region along its outer and upper border, and where."""
    side = thorax.side
    rows, columns = np.nonzero(lung)
    medial = columns.max() if columns.mean() < side / 2 else columns.min()
    hilum = np.array([medial, rows.min() + 0.75 * np.ptp(rows)])
    shrink = rng.uniform(0.62, 0.76)
    matrix = np.array([[shrink, 0, (1 - shrink) * hilum[0]], [0, shrink, (1 - shrink) * hilum[1]]])
    collapsed = cv2.warpAffine(lung.astype(np.uint8), matrix, (side, side), flags=cv2.INTER_NEAREST).astype(bool)
    lower = np.mgrid[0:side, 0:side][0] > hilum[1]
    air = lung & ~collapsed & ~lower
    weight = _blur(air.astype(np.float32), 0.004 * side)
    edge = _blur(collapsed.astype(np.float32), 0.004 * side)
    pleura = 4 * edge * (1 - edge) * weight
    pixels = thorax.pixels * (1 - 0.94 * weight) + 0.05 * weight + 0.3 * pleura
    return replace(thorax, pixels=pixels.astype(np.float32)), air


def tight_box(region: Region, label: int) -> Box:
    """The smallest box of whole pixels around a region, which must not be empty."""
    rows, columns = np.nonzero(region)
    left, top = int(columns.min()), int(rows.min())
    return Box(label, left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1)


def finish(thorax: Thorax, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(side, side) uint8: blurred a little, exposed at random, with detector noise."""
    pixels = _blur(thorax.pixels, 0.002 * thorax.side) ** rng.uniform(0.85, 1.15) * rng.uniform(0.85, 1.0)
    pixels = pixels + rng.normal(0, 0.012, pixels.shape)
    return np.clip(np.rint(pixels * 255), 0, 255).astype(np.uint8)


def inside(implicit: Pixels, softness: float) -> Pixels:
    """1 where ``implicit`` is negative, 0 where positive, with a soft edge."""
    weight: Pixels = 0.5 - 0.5 * np.tanh(implicit / softness)
    return weight


def texture(side: int, grain: float, rng: np.random.Generator) -> Pixels:
    """Smooth noise of zero mean and unit deviation, with grains of ``grain`` of the side."""
    noise = _blur(rng.standard_normal((side, side)).astype(np.float32), grain * side)
    standard: Pixels = (noise - noise.mean()) / noise.std()
    return standard


def _patient_grid(side: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """Coordinates from about -1 to 1, x to the image's right and y down, as this patient stands."""
    rows, columns = (np.mgrid[0:side, 0:side].astype(np.float32) + 0.5) * (2 / side) - 1
    angle, scale = rng.normal(0, 0.03), rng.uniform(0.95, 1.1)
    shift_x, shift_y = rng.normal(0, 0.03, 2)
    columns, rows = columns - np.float32(shift_x), rows - np.float32(shift_y)
    x = (columns * np.cos(angle) + rows * np.sin(angle)) * scale
    y = (rows * np.cos(angle) - columns * np.sin(angle)) * scale
    return x.astype(np.float32), y.astype(np.float32)


def _torso(x: Pixels, y: Pixels, rng: np.random.Generator) -> Pixels:
    """Negative inside the body: a trunk under sloping shoulders, and a neck."""
    shoulder = -0.98 + rng.uniform(0.4, 0.6) * np.abs(x) ** 2.2
    trunk = np.maximum(np.abs(x) - rng.uniform(0.86, 0.95), shoulder - y)
    neck = np.abs(x) - 0.24
    outline: Pixels = np.minimum(trunk, neck)
    return outline


def _lung(x: Pixels, y: Pixels, lean: float, width: float, height: float, dome: float) -> Pixels:
    """Negative inside the lung on the side of positive ``x``: tapering to the apex, cut by the diaphragm and midline."""
    centre = 0.42 + lean * y
    outline = np.abs((x - centre) / width) ** 2.4 + np.abs((y + 0.08) / height) ** 2.4 - 1
    diaphragm = (y - dome - 0.8 * (x - centre) ** 2 + 0.03) * 4
    midline = (0.13 - x) * 6
    lung: Pixels = np.maximum(np.maximum(outline, diaphragm), midline)
    return lung


def _bones(x: Pixels, y: Pixels, rng: np.random.Generator) -> Pixels:
    """The brightness that ribs and clavicles add."""
    brightness = np.zeros_like(x)
    gap, first = rng.uniform(0.135, 0.155), rng.uniform(-0.68, -0.62)
    for rib in range(_RIBS):
        line = first + rib * gap + 0.35 * np.abs(x) ** 1.6 - 0.1
        brightness += 0.09 * inside(np.abs(y - line) / 0.028 - 1, 0.4) * (np.abs(x) > 0.1)
    clavicle = -0.6 - 0.16 * np.abs(x)
    brightness += 0.14 * inside(np.abs(y - clavicle) / 0.03 - 1, 0.4) * (np.abs(x) > 0.08) * (np.abs(x) < 0.7)
    return brightness


def _deep_point(region: Region, rng: np.random.Generator) -> tuple[int, int]:
    """Row and column of a point of ``region`` that is well away from its border."""
    depth = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 5)
    rows, columns = np.nonzero(depth >= 0.6 * depth.max())
    index = int(rng.integers(len(rows)))
    return int(rows[index]), int(columns[index])


def _blur(pixels: Pixels, sigma: float) -> Pixels:
    blurred: Pixels = cv2.GaussianBlur(pixels, (0, 0), sigmaX=max(sigma, 0.3), borderType=cv2.BORDER_REFLECT)
    return blurred
