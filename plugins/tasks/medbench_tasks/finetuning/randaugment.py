"""The RandAugment of ALBEF, as MeDSLIP's SIIM classification has it: two operations of ten, each with probability 0.5.

MeDSLIP release, ``randaugment.py`` of its SIIM classification: operations are drawn with replacement at level 7 of 10, and
what comes in from outside is 128. Geometry is about the image's centre and bilinear.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

COUNT = 2
PROBABILITY = 0.5
_LEVEL = 7 / 10
SHEAR = 0.3 * _LEVEL
TRANSLATION = 10 * _LEVEL
ROTATION = 30 * _LEVEL
FACTOR = 0.1 + 1.8 * _LEVEL
_FILL = 128.0


class AlbefRandAugment(torch.nn.Module):
    """(1, H, W) uint8 -> the same shape, drawn from torch's generator."""

    def forward(self, image: Tensor) -> Tensor:
        """Apply `COUNT` operations of `OPERATIONS`, each with `PROBABILITY`."""
        for operation in torch.randint(len(OPERATIONS), (COUNT,)).tolist():
            if torch.rand(()) < PROBABILITY:
                image = tuple(OPERATIONS.values())[operation](image)
        return image


def _signed(size: float) -> float:
    return size if torch.rand(()) < 0.5 else -size


def _affine(
    image: Tensor, *, angle: float = 0.0, shift: tuple[float, float] = (0, 0), shear: tuple[float, float]
) -> Tensor:
    moved: Tensor = functional.affine(
        image,
        angle=angle,
        translate=[round(one) for one in shift],
        scale=1.0,
        shear=[math.degrees(math.atan(one)) for one in shear],
        interpolation=InterpolationMode.BILINEAR,
        fill=[_FILL],
    )
    return moved


OPERATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "Identity": lambda image: image,
    "AutoContrast": functional.autocontrast,
    "Equalize": functional.equalize,
    "Brightness": lambda image: functional.adjust_brightness(image, FACTOR),
    "Sharpness": lambda image: functional.adjust_sharpness(image, FACTOR),
    "ShearX": lambda image: _affine(image, shear=(_signed(SHEAR), 0)),
    "ShearY": lambda image: _affine(image, shear=(0, _signed(SHEAR))),
    "TranslateX": lambda image: _affine(image, shift=(_signed(TRANSLATION), 0), shear=(0, 0)),
    "TranslateY": lambda image: _affine(image, shift=(0, _signed(TRANSLATION)), shear=(0, 0)),
    "Rotate": lambda image: _affine(image, angle=_signed(ROTATION), shear=(0, 0)),
}
"""By the names of the release."""
