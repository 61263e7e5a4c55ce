"""Chests and heads with findings on known sides, for phantoms that speak of what was drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from medbench_datasets import drawing

if TYPE_CHECKING:
    from numpy.typing import NDArray

Organ = Literal["chest", "head"]
Modality = Literal["x-ray", "ct", "mr"]

_SIDES: tuple[tuple[str, ...], ...] = ((), ("right",), ("left",), ("right", "left"))
_SIDES_SHARES = (0.3, 0.25, 0.25, 0.2)


class Scene(NamedTuple):
    """An image as (side, side) uint8, and what is on it: ``sides`` are the patient's that hold a finding.

    As in radiology, the patient's right is on the image's left.
    """

    organ: Organ
    modality: Modality
    sides: tuple[str, ...]
    pixels: NDArray[np.uint8]


def draw_scene(side: int, rng: np.random.Generator, *, organ: Organ | None = None) -> Scene:
    """A radiograph of a chest, or a CT or MR image of a head, with one bright finding in neither half, one, or both."""
    organ = organ or ("chest" if rng.random() < 0.5 else "head")
    modality: Modality = "x-ray" if organ == "chest" else ("ct" if rng.random() < 0.5 else "mr")
    body = drawing.draw_thorax(side, rng) if organ == "chest" else _draw_head(side, modality, rng)
    sides = _SIDES[int(rng.choice(len(_SIDES), p=_SIDES_SHARES))]
    for name in sides:
        body, _ = drawing.add_opacity(body, body.right_lung if name == "right" else body.left_lung, rng)
    return Scene(organ, modality, sides, drawing.finish(body, rng))


def _draw_head(side: int, modality: Modality, rng: np.random.Generator) -> drawing.Thorax:
    """A head cut across, nose up: a skull that is bright in CT and dark in MR; its halves stand where a chest has lungs."""
    rows, columns = (np.mgrid[0:side, 0:side].astype(np.float32) + 0.5) * (2 / side) - 1
    x, y = columns - rng.normal(0, 0.03), rows - rng.normal(0, 0.03)
    radius = np.hypot(x / rng.uniform(0.66, 0.74), y / rng.uniform(0.8, 0.88))
    brain = radius < 0.86
    pixels = np.full((side, side), 0.03, np.float32)
    pixels[radius < 1.0] = 0.95 if modality == "ct" else 0.12
    pixels[brain] = 0.36 + 0.05 * drawing.texture(side, 0.03, rng)[brain]
    pixels[brain & (np.abs(x) < 0.025)] = 0.2
    ventricles = np.hypot((np.abs(x) - 0.13) / 0.07, (y - 0.02) / 0.22) < 1
    pixels[ventricles] = 0.12
    return drawing.Thorax(pixels, brain & (x < -0.08), brain & (x > 0.08))
