"""Coordinates in which a logistic regression is well conditioned: centred, rotated to the principal axes, no longer than N.

Neither step moves the solution: the intercept is not penalised, so a shift of the features is taken up by it; the
penalty is the same in every rotation; and the solution lies in the span of the rows, so N rows need at most N axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Basis:
    """``coordinates`` (N, R) float32 are ``(features - centre) @ axes`` with orthonormal ``axes`` (D, R), R <= min(N, D).

    ``spectrum`` (R,) float64 holds the mean square of each coordinate, and ``centre`` (D,) float64 the mean of the features.
    """

    centre: Tensor
    axes: Tensor
    coordinates: Tensor
    spectrum: Tensor

    @staticmethod
    def of(features: Tensor, weights: Tensor) -> Basis:
        """The basis of ``features`` (N, D) float32 under sample ``weights`` (N,), all of them >= 0 and one of them above.

        ``weights`` only steer the conditioning: rows of weight 0 have coordinates too.
        """
        import torch

        share = weights.double() / weights.double().sum()
        centre = (share.float() @ features).double()
        centred = features - centre.float()
        axes = None
        if len(centred) < centred.shape[1]:
            axes, triangle = torch.linalg.qr(centred.T)
            centred = triangle.T.contiguous()
        spectrum, rotation = torch.linalg.eigh((centred * share.float()[:, None]).T @ centred)
        return Basis(
            centre, rotation if axes is None else axes @ rotation, centred @ rotation, spectrum.double().clamp_min(0.0)
        )
