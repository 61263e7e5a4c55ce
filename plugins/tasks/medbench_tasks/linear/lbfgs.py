"""Limited-memory BFGS for many problems at once: a direction each, from a history each.

Nocedal and Wright, Numerical Optimization, 2nd edition, algorithm 7.4. A row of every tensor is one problem.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class History:
    """The last ``size`` pairs of steps and changes of gradient of P problems, each (P, V) float64."""

    def __init__(self, size: int) -> None:
        self._pairs: deque[tuple[Tensor, Tensor, Tensor]] = deque(maxlen=size)

    def add(self, step: Tensor, change: Tensor) -> None:
        """Remember a pair; where it shows no positive curvature (rounding, a finished problem) it counts for nothing."""
        import torch

        product = (step * change).sum(1)
        useful = product > 1e-14 * step.norm(dim=1) * change.norm(dim=1)
        self._pairs.append((step, change, torch.where(useful, 1 / product, torch.zeros_like(product))))

    def keep(self, rows: Tensor) -> None:
        """Forget all problems but ``rows``."""
        pairs = [tuple(part[rows] for part in pair) for pair in self._pairs]
        self._pairs.clear()
        self._pairs.extend(pairs)  # type: ignore[arg-type]

    def direction(self, gradient: Tensor, inverse: Tensor) -> Tensor:
        """(P, V) minus the approximate inverse Hessian times ``gradient``; ``inverse`` (P, V) is its diagonal start."""
        left = []
        vector = gradient.clone()
        for step, change, rho in reversed(self._pairs):
            weight = rho * (step * vector).sum(1)
            vector -= weight[:, None] * change
            left.append(weight)
        vector *= self._scale(inverse) * inverse
        for (step, change, rho), weight in zip(self._pairs, reversed(left), strict=True):
            vector += (weight - rho * (change * vector).sum(1))[:, None] * step
        return -vector

    def _scale(self, inverse: Tensor) -> Tensor:
        """(P, 1) by which ``inverse`` is multiplied so that it agrees with the last pair (7.20 of the source)."""
        import torch

        if not self._pairs:
            return torch.ones_like(inverse[:, :1])
        _, change, rho = self._pairs[-1]
        scale = 1 / (rho * (change**2 * inverse).sum(1))
        return torch.where(rho > 0, scale, torch.ones_like(scale))[:, None]
