"""Reports that cost no decoder: the most frequent, one that names all, and that of the training image most like the test's."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import adaptive_avg_pool2d, normalize

from medbench.needs import image_need
from medbench.protocols import FeatureNeed

if TYPE_CHECKING:
    from torch import Tensor

    from medbench.features import Features
    from medbench.protocols import TrialContext
    from medbench_tasks.generation.recipe import GenerationRecipe
    from medbench_tasks.generation.studies import Studies

EVERY_FINDING = (
    "There is atelectasis, cardiomegaly, consolidation, pulmonary edema, mediastinal widening, a rib fracture, a lung nodule, "
    "lung opacity, pleural effusion, pleural thickening, pneumonia, pneumothorax and an endotracheal tube."
)
"""A report in which every observation is present but No Finding: what clinical F1 gives for free."""
_BLOCK = 1 << 25
_SIDE = 16


def floor_reports(train: Studies, test: Studies, context: TrialContext) -> dict[str, list[str]]:
    """By name, a training report (or what names all findings, where findings are read) for each test study."""
    recipe: GenerationRecipe = context.recipe  # type: ignore[assignment]
    floors = {"most-frequent": [train.reports[most_frequent(train)]] * len(test)}
    if recipe.labeller != "none":
        floors["every-finding"] = [EVERY_FINDING] * len(test)
    if recipe.neighbour:
        rows = nearest_studies(train, test, context.features)
        floors[_neighbour(context.features)] = [train.reports[row] for row in rows]
    return floors


def most_frequent(train: Studies) -> int:
    """The first training study that has the most frequent reference; of equally frequent ones the first in the alphabet."""
    counts = Counter(train.references)
    commonest = min(counts, key=lambda reference: (-counts[reference], reference))
    return train.references.index(commonest)


def nearest_studies(train: Studies, test: Studies, features: Features) -> list[int]:
    """For each test study the training study whose first image is nearest.

    Nearest by the cosine of what the method's ImageEncoder says of them; of the pixels of 16 x 16 thumbnails, less their
    mean, where it has none. Of equally near ones the first.
    """
    known, asked = (features.answer(neighbour_need(part, features)) for part in (train, test))
    return _nearest(known, asked, features.compute.device)


def neighbour_need(studies: Studies, features: Features) -> FeatureNeed:
    """What neighbours are found by."""
    if _encodes(features):
        return image_need(studies.manifest)
    return FeatureNeed(name=f"thumbnail-{_SIDE}", apply=_thumbnail, manifest=studies.manifest)


def _neighbour(features: Features) -> str:
    """The name of the floor: each method has neighbours of its own."""
    return f"nearest-neighbour of {features.identity.label}" if _encodes(features) else "nearest-neighbour by pixels"


def _encodes(features: Features) -> bool:
    return "ImageEncoder" in features.capabilities


def _thumbnail(_model: object, images: Tensor) -> Tensor:
    small = adaptive_avg_pool2d(images.float().mean(1, keepdim=True), _SIDE).flatten(1)
    return small - small.mean(1, keepdim=True)


def _nearest(known: NDArray[np.float32], asked: NDArray[np.float32], device: str) -> list[int]:
    """(M, D) and (N, D) -> for each of N the index of the nearest of M, by cosine."""
    index = normalize(torch.from_numpy(known).to(device))
    step = max(1, _BLOCK // len(known))
    found: list[int] = []
    for start in range(0, len(asked), step):
        block = normalize(torch.from_numpy(asked[start : start + step]).to(device))
        found += (block @ index.T).argmax(dim=1).tolist()
    return found
