"""How an image becomes the encoder's input, in training and afterwards, as the recipe says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medbench.capabilities import Preprocess
    from medbench.manifest import Manifest
    from medbench_tasks.finetuning.recipe import FineTuningRecipe

_HALF = 0.5
_BENCHX_MEAN, _BENCHX_STD = 0.4978, 0.2449
_IN_PLACE = ("none", "crop", "moco2")
"""Augmentations that keep the frame's scale."""


def evaluation_frame(recipe: FineTuningRecipe, preprocess: Preprocess) -> Preprocess:
    """What is done to validation and test images, by a recipe on a method whose own way is ``preprocess``."""
    side = recipe.image_size or preprocess.crop
    if recipe.frame == "mgca":
        frame = replace(
            preprocess, resize=round(side * 8 / 7), mode="pad", crop=side, interpolation="area", equalise=False
        )
    elif recipe.frame == "motor":
        frame = replace(preprocess, resize=side, mode="squash", crop=side, interpolation="bilinear", equalise=False)
    elif recipe.frame == "benchx":
        frame = replace(preprocess, resize=side, mode="shorter", crop=side, interpolation="bilinear", equalise=False)
    else:
        frame = _scaled(preprocess, round(preprocess.resize * side / preprocess.crop), side)
    if recipe.normalise == "half":
        return replace(frame, mean=(_HALF,) * 3, std=(_HALF,) * 3)
    if recipe.normalise == "benchx":
        return replace(frame, mean=(_BENCHX_MEAN,) * 3, std=(_BENCHX_STD,) * 3)
    return frame


def source_frame(recipe: FineTuningRecipe, evaluation: Preprocess) -> Preprocess:
    """What is kept of training images for augmentation to cut from: the whole image as a square, nothing cropped.

    It is padded or squashed as at evaluation: on a canvas an image has the share of the square that evaluation shows it at,
    however finely the square is kept. Where that scales the shorter side and keeps what sticks out, or where ``motor``
    cuts squares of the image itself, the whole image is squashed into the square, and `aspects_of` tells augmentation what the
    square stands for.
    """
    if recipe.augment == "none":
        return evaluation
    scale = 1.0 if recipe.augment in _IN_PLACE else recipe.source_scale
    side = max(evaluation.crop, round(evaluation.resize * scale))
    if evaluation.mode == "shorter" or recipe.augment == "motor":
        return replace(evaluation, resize=side, crop=side, mode="squash", least=0)
    return _scaled(evaluation, side, side)


def aspects_of(manifest: Manifest, evaluation: Preprocess, recipe: FineTuningRecipe) -> NDArray[np.float64]:
    """(N,) how many times wider than high what the square of `source_frame` stands for is in the geometry that is trained on.

    It is the evaluation's, but for ``motor``, which trains on squares of the image and evaluates squashed ones.
    """
    import numpy as np

    if evaluation.mode != "shorter" and recipe.augment != "motor":
        return np.ones(len(manifest))
    width, height = (manifest.table.column(name).to_numpy() for name in ("width", "height"))
    aspects: NDArray[np.float64] = np.divide(width, height, dtype=np.float64)
    return aspects


def _scaled(preprocess: Preprocess, resize: int, crop: int) -> Preprocess:
    """The same frame with other sides: a canvas keeps its least, so that a small image keeps its share of it."""
    scaled = replace(preprocess, resize=resize, crop=crop)
    if preprocess.mode != "canvas":
        return scaled
    least = preprocess.least or preprocess.resize
    return replace(scaled, least=0 if least == resize else least)
