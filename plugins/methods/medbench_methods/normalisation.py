"""The means and deviations that several methods normalise pixels in [0, 1] by, red, green and blue."""

from __future__ import annotations

from typing import TypedDict

HALF = (0.5, 0.5, 0.5)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class Normalisation(TypedDict):
    """Two fields of a `medbench.capabilities.Preprocess`."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET: Normalisation = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
