"""The iteration of the solver: gradients, directions and steps of the problems that are not solved yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench_tasks.linear.lbfgs import History
from medbench_tasks.linear.line_search import step_lengths

if TYPE_CHECKING:
    from torch import Tensor

    from medbench_tasks.linear.basis import Basis
    from medbench_tasks.linear.objective import Logits

HISTORY = 10
COMPACT_FROM = 1 / 8
"""Solved problems are dropped from the work once they are this share of it: dropping copies the rest."""


class Descent:
    """P problems in a basis of R axes, each with its L-BFGS history; solved ones stand still, then leave.

    ``place`` (P,) is where a problem stood at the start; ``point`` (P, K, R + 1) float64 its coefficients, and its
    intercept beyond the one that it started from; ``penalty`` (P,) float64 is 1 / (C * sum of weights).
    """

    def __init__(self, basis: Basis, logits: Logits, point: Tensor, penalty: Tensor) -> None:
        import torch

        self.place = torch.arange(len(point), device=point.device)
        self.point = point
        self._basis = basis
        self._logits = logits
        self._penalty = penalty
        self._history = History(HISTORY)
        self._gradient = self._gradients()
        self._direction = torch.zeros_like(self._gradient)
        self._solved = torch.zeros(len(point), dtype=torch.bool, device=point.device)

    def look(self, tolerance: float) -> Tensor:
        """Where next: rows newly or formerly found solved, a boolean (P,) of the problems still held."""
        import torch

        if self._solved.double().mean() >= COMPACT_FROM:
            self._keep((~self._solved).nonzero()[:, 0])
        inverse = self._inverse_diagonal()
        direction = self._history.direction(self._gradient, inverse)
        newton = (inverse * self._gradient**2).sum(1)
        slope = (self._gradient * direction).sum(1)
        uphill = ~(slope < 0)
        direction[uphill] = -(inverse * self._gradient)[uphill]
        self._solved |= torch.maximum(newton, -slope) <= tolerance**2
        direction[self._solved] = 0
        self._direction = direction
        return self._solved

    def go(self) -> None:
        """A step of every problem along its direction, and the gradient there."""
        shaped = self._direction.view_as(self.point)
        slopes = shaped[..., :-1].float().flatten(0, 1) @ self._basis.coordinates.T
        slopes += shaped[..., -1].float().flatten()[:, None]
        self._logits.slopes = slopes.view_as(self._logits.values)
        across = (self.point[..., :-1] * shaped[..., :-1]).sum((1, 2))
        along = (shaped[..., :-1] ** 2).sum((1, 2))

        def slope(rows: Tensor, lengths: Tensor) -> Tensor:
            return self._logits.look(rows, lengths) + self._penalty[rows] * (across[rows] + lengths * along[rows])

        lengths = step_lengths(slope, (self._gradient * self._direction).sum(1))
        self.point = self.point + lengths[:, None, None] * shaped
        self._logits.step(lengths)
        before, self._gradient = self._gradient, self._gradients()
        self._history.add(lengths[:, None] * self._direction, self._gradient - before)

    def _gradients(self) -> Tensor:
        """(P, K * (R + 1)) float64, of the mean loss and the penalty."""
        import torch

        residuals = self._logits.residuals
        slopes = (residuals.flatten(0, 1) @ self._basis.coordinates).double().view(*residuals.shape[:2], -1)
        slopes += self._penalty[:, None, None] * self.point[..., :-1]
        return torch.cat([slopes, residuals.sum(2).double()[..., None]], 2).flatten(1)

    def _inverse_diagonal(self) -> Tensor:
        """(P, K * (R + 1)): the inverse of the Hessian's diagonal, were the curvature the same at all samples."""
        import torch

        curvature = self._logits.curvature.clamp_min(1e-10)[..., None]
        diagonal = curvature * self._basis.spectrum + self._penalty[:, None, None]
        return 1 / torch.cat([diagonal, curvature], 2).flatten(1)

    def _keep(self, rows: Tensor) -> None:
        self.place, self.point, self._penalty = self.place[rows], self.point[rows], self._penalty[rows]
        self._gradient, self._solved = self._gradient[rows], self._solved[rows]
        self._history.keep(rows)
        self._logits.keep(rows)
