"""Frozen patch features, at most 7 x 7 an image: what decoders and fusion heads look at, the same for every encoder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from medbench.protocols import FeatureNeed

if TYPE_CHECKING:
    from torch import Tensor

    from medbench.manifest import Manifest, Which
    from medbench.mapped_rows import MappedRows
    from medbench.protocols import TrialContext

GRID = 7
"""Patches a side: what the last stage of a ResNet gives at 224 pixels, so that ViTs of finer grids and larger inputs are
neither favoured by more tokens nor dearer to train on; a plain ViT's 14 x 14 of 270,000 images would not fit on a disk."""


def patch_features(
    context: TrialContext, manifest: Manifest, image: Which = "image", *, grid: int = GRID
) -> MappedRows:
    """(N rows of (T, C)) patches of every sample in row-major order, T at most ``grid`` squared, from the cache or the encoder.

    They are the coarsest map of `DenseImageEncoder.encode_pyramid`, averaged down to at most ``grid`` a side; a map that is
    smaller stays as it is. Raises as `medbench.features.Features.mapped_rows`.
    """
    return context.features.answer_mapped(patch_need(manifest, image, grid=grid))


def patch_need(manifest: Manifest, image: Which = "image", *, grid: int = GRID) -> FeatureNeed:
    """What `patch_features` asks for."""
    return FeatureNeed(name=f"patches-{grid}", apply=partial(_coarsest, grid=grid), manifest=manifest, image=image)


def patches(features: Tensor, grid: int = GRID) -> Tensor:
    """(B, C, h, w) -> (B, T, C) float32, the means over at most ``grid`` x ``grid``, row by row."""
    from torch.nn.functional import adaptive_avg_pool2d

    height, width = (min(side, grid) for side in features.shape[-2:])
    return adaptive_avg_pool2d(features.float(), (height, width)).flatten(2).transpose(1, 2)


def _coarsest(model: Any, images: Tensor, *, grid: int) -> Tensor:
    """(B, 3, H, W) -> (B, T, C)."""
    return patches(model.encode_pyramid(images)[-1], grid)
