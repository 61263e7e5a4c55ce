"""Frozen patch features, at most 7 x 7 an image: what decoders and fusion heads look at, the same for every encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from medbench.feature_store import MappedRows
    from medbench.manifest import Manifest, Which
    from medbench.protocols import TrialContext

GRID = 7
"""Patches a side: what the last stage of a ResNet gives at 224 pixels, so that ViTs of finer grids and larger inputs are
neither favoured by more tokens nor dearer to train on."""


def patch_features(context: TrialContext, manifest: Manifest, image: Which = "image") -> MappedRows:
    """(N rows of (T, C)) patches of every sample in row-major order, T at most 49, from the cache or the frozen encoder.

    They are the coarsest map of `DenseImageEncoder.encode_pyramid`, averaged down to a grid of at most `GRID` a side. Raises
    as `medbench.features.Features.rows`.
    """
    return context.features.mapped_rows(manifest, f"patches-{GRID}", _patches, image=image)


def _patches(model: Any, images: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, T, C)."""
    from torch.nn.functional import adaptive_avg_pool2d

    coarsest: Tensor = model.encode_pyramid(images)[-1]
    height, width = coarsest.shape[-2:]
    return adaptive_avg_pool2d(coarsest.float(), (min(height, GRID), min(width, GRID))).flatten(2).transpose(1, 2)
