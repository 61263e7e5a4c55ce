"""A step length for each of many convex problems, from slopes alone.

Near the solution a loss in floating point no longer tells two points apart, but its slope does: the approximate Wolfe
conditions of Hager and Zhang (SIAM J. Optim. 16, 2005, eq. 4.1) ask for nothing else. On a convex function the upper one
also gives the decrease.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

STEEPER = 0.9
"""A slope below this share of the first is still too steep: go further."""
UPHILL = 0.8
"""A slope above this share of the first, in the other direction, is too far (1 - 2 delta of the source, delta = 0.1)."""
TRIALS = 40
CHORDS = 5
"""Trials before bisection: the slope of a nearly separable problem is a staircase, on which chords creep."""


def step_lengths(slope: Callable[[Tensor, Tensor], Tensor], first: Tensor) -> Tensor:
    """(P,) step lengths, 1 wherever that will do.

    ``slope(rows, lengths)`` gives the slopes of problems ``rows`` at ``lengths``; ``first`` (P,) < 0 are those at 0. Each
    problem is last asked at the length returned. A problem that nothing satisfies within `TRIALS` goes as far as was downhill.
    """
    import torch

    lengths = torch.ones_like(first)
    low, low_slope = torch.zeros_like(first), first.clone()
    high, high_slope = torch.full_like(first, torch.inf), torch.zeros_like(first)
    rows = torch.arange(len(first), device=first.device)
    for trial in range(TRIALS):
        found = slope(rows, lengths[rows])
        short = found < STEEPER * first[rows]
        far = ~(found <= -UPHILL * first[rows])  # NaN, from an overflow, is too far as well
        low[rows[short]], low_slope[rows[short]] = lengths[rows[short]], found[short]
        high[rows[far]], high_slope[rows[far]] = lengths[rows[far]], found[far]
        rows = rows[short | far]
        if not len(rows):
            return lengths
        lengths[rows] = _next(low[rows], low_slope[rows], high[rows], high_slope[rows], chord=trial < CHORDS)
    lengths[rows] = low[rows]
    slope(rows, lengths[rows])
    return lengths


def _next(low: Tensor, low_slope: Tensor, high: Tensor, high_slope: Tensor, *, chord: bool) -> Tensor:
    """Thrice as far where nothing bounds it yet; else within the bracket, at its middle or where the ``chord`` meets 0."""
    import torch

    share = (low_slope / (low_slope - high_slope)).nan_to_num(0.5, 0.5, 0.5).clamp(0.1, 0.9)
    inside = low + (share if chord else 0.5) * (high - low)
    return torch.where(torch.isinf(high), (3 * low).clamp_min(1e-6), inside)
