"""The loss of many logistic regressions over the same features, seen along one direction each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 1 << 20
"""Numbers taken at a time on a CPU, so that what lies between two steps of the arithmetic stays in its cache."""


@dataclass(slots=True)
class Logits:
    """What P problems of K columns say of N samples, and what they should: the state that a step changes.

    ``values`` and ``slopes`` (P, K, N) float32 are the logits and their change along the present direction; ``truth``
    (P, K, N) float32 is 1 at what holds; ``shares`` (P, N) float32 are sample weights that sum to 1, or to 0 for a problem
    without samples. ``residuals`` (P, K, N) hold ``shares * (probability - truth)`` at the point last asked for, and
    ``curvature`` (P, K) float64 the mean of ``probability * (1 - probability)`` there.
    """

    values: Tensor
    slopes: Tensor
    truth: Tensor
    shares: Tensor
    residuals: Tensor
    curvature: Tensor

    @staticmethod
    def at(values: Tensor, truth: Tensor, shares: Tensor) -> Logits:
        """Logits that have not moved yet."""
        import torch

        curvature = torch.zeros(values.shape[:2], dtype=torch.float64, device=values.device)
        state = Logits(values, torch.zeros_like(values), truth, shares, torch.empty_like(values), curvature)
        everything = torch.arange(len(values), device=values.device)
        state.look(everything, torch.zeros(len(values), dtype=torch.float64, device=values.device))
        return state

    def look(self, rows: Tensor, lengths: Tensor) -> Tensor:
        """The slopes (len(rows),) float64 of the mean loss of problems ``rows`` at ``lengths`` along their directions."""
        import torch

        found = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
        every = len(rows) == len(self.values)
        block = len(rows) if rows.is_cuda else max(1, BLOCK // self.values[0].numel())
        for begin in range(0, len(rows), block):
            part = slice(begin, begin + block)
            chosen = part if every else rows[part]
            found[part] = self._look(chosen, lengths[part])
        return found

    def _look(self, rows: Tensor | slice, lengths: Tensor) -> Tensor:
        import torch

        slopes, truth = self.slopes[rows], self.truth[rows]
        logits = self.values[rows] + lengths.float()[:, None, None] * slopes
        errors = _errors(logits, truth)
        shares = self.shares[rows][:, None]
        sizes = errors.abs()
        self.curvature[rows] = ((sizes - sizes * sizes) * shares).sum(2).double()
        residuals = errors.mul_(shares)
        self.residuals[rows] = residuals
        return (residuals * slopes).sum(2).sum(1, dtype=torch.float64)

    def step(self, lengths: Tensor) -> None:
        """Go ``lengths`` (P,) along the directions."""
        self.values.addcmul_(self.slopes, lengths.float()[:, None, None])

    def keep(self, rows: Tensor) -> None:
        """Forget all problems but ``rows``."""
        for name in ("values", "slopes", "truth", "shares", "residuals", "curvature"):
            setattr(self, name, getattr(self, name)[rows])


def _errors(logits: Tensor, truth: Tensor) -> Tensor:
    """Probability minus truth, without taking a probability near 1 from 1: a small error keeps all its digits."""
    import torch

    if logits.shape[1] == 1:
        signs = 1 - 2 * truth
        return torch.sigmoid_(logits.mul_(signs)).mul_(signs)
    others = torch.softmax(logits, 1).mul_(1 - truth)
    return others - truth * others.sum(1, keepdim=True)
