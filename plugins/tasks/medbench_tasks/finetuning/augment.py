"""What training does to images: torchvision's transforms on 8-bit grey pixels, drawn per sample and epoch.

A draw depends on the seed, the epoch and the sample's index alone, so neither a resumption nor the number of workers moves
it, and no other random number of the process is touched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from medbench_tasks.finetuning.randaugment import AlbefRandAugment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medbench_tasks.finetuning.recipe import FineTuningRecipe

_MEDSLIP_SCALE = (0.2, 1.0)
_MILD_SCALE = (0.6, 1.0)
_USUAL_SCALE = (0.08, 1.0)
_SHAPES = (3 / 4, 4 / 3)
_BLUR_KERNEL = 13  # three deviations of the widest blur to each side


class Augmentation:
    """A recipe's augmentation for inputs of ``side`` pixels; called as ``augmentation(pixels, epoch, index)``.

    ``aspects`` (N,) says how many times wider than high the image is that sample ``index`` was squashed from, 1 where it was
    not (`medbench_tasks.finetuning.frames.aspects_of`): a crop's place, area and shape are drawn in that image.
    """

    def __init__(self, recipe: FineTuningRecipe, side: int, seed: int, aspects: NDArray[np.float64]) -> None:
        self._steps = TRANSFORMS[recipe.augment]
        self._side = side
        self._seed = seed
        self._aspects = aspects

    def __call__(self, pixels: NDArray[np.uint8], epoch: int, index: int) -> Tensor:
        """(S, S) uint8 -> (side, side) uint8, as sample ``index`` looks in that epoch."""
        transform = v2.Compose(self._steps(self._side, float(self._aspects[index])))
        draw = np.random.SeedSequence((self._seed, epoch, index)).generate_state(1, np.uint64)[0]
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(draw >> np.uint64(1)))  # not torch.manual_seed: it moves GPUs too
            augmented: Tensor = transform(torch.from_numpy(pixels)[None])
        return augmented[0]


def _crop(side: int, aspect: float) -> list[torch.nn.Module]:
    if aspect == 1:
        return [v2.RandomCrop(side, pad_if_needed=True)]
    # A square of the image is an oblong of what was squashed: its longer side was shortened, and the cut with it.
    cut = (max(1, round(side * min(1.0, aspect))), max(1, round(side * min(1.0, 1 / aspect))))
    return [v2.RandomCrop(cut, pad_if_needed=True), v2.Resize((side, side))]


def _resized_crop(
    side: int, aspect: float, scale: tuple[float, float], interpolation: InterpolationMode = InterpolationMode.BILINEAR
) -> v2.RandomResizedCrop:
    """A share of the image's area within ``scale``, of a shape between 3:4 and 4:3 in the image before it was squashed."""
    low, high = (shape / aspect for shape in _SHAPES)
    return v2.RandomResizedCrop(side, scale=scale, ratio=(low, high), interpolation=interpolation)


def _moco2(side: int, aspect: float) -> list[torch.nn.Module]:
    """MoCo v2's, as the MGCA release has it for CheXpert; its grey-scale step, hue and saturation do nothing to grey."""
    return [
        *_crop(side, aspect),
        v2.RandomApply([v2.ColorJitter(brightness=0.4, contrast=0.4)], p=0.8),
        v2.RandomApply([v2.GaussianBlur(_BLUR_KERNEL, sigma=(0.1, 2.0))], p=0.5),
        v2.RandomHorizontalFlip(),
    ]


def _mild(side: int, aspect: float) -> list[torch.nn.Module]:
    return [_resized_crop(side, aspect, _MILD_SCALE)]


def _motor(side: int, aspect: float) -> list[torch.nn.Module]:
    """The MOTOR release's: the shorter side to ``side``, a random square of it, a flip."""
    return [_RandomSquare(aspect), v2.Resize((side, side)), v2.RandomHorizontalFlip()]


class _RandomSquare(torch.nn.Module):
    """A random square, as large as may be, of the image that the pixels were squashed from."""

    def __init__(self, aspect: float) -> None:
        super().__init__()
        self._aspect = aspect

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        cut = (max(1, round(height * min(1.0, self._aspect))), max(1, round(width * min(1.0, 1 / self._aspect))))
        square: Tensor = v2.RandomCrop(cut)(image)
        return square


def _benchx(side: int, aspect: float) -> list[torch.nn.Module]:
    return [_resized_crop(side, aspect, _USUAL_SCALE), v2.RandomHorizontalFlip()]


def _medslip(side: int, aspect: float) -> list[torch.nn.Module]:
    return [
        _resized_crop(side, aspect, _MEDSLIP_SCALE, InterpolationMode.BICUBIC),
        v2.RandomHorizontalFlip(),
        AlbefRandAugment(),
    ]


TRANSFORMS: dict[str, Callable[[int, float], list[torch.nn.Module]]] = {
    "crop": _crop,
    "moco2": _moco2,
    "mild": _mild,
    "benchx": _benchx,
    "medslip": _medslip,
    "motor": _motor,
}
"""By the recipe's ``augment``, of side and aspect: the steps that make (1, S, S) uint8 into (1, side, side)."""
