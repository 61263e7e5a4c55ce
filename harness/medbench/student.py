"""Tails of Student's t and of the normal distribution with numpy alone.

scipy.special has both, and takes twice as long to import as all else that a leaderboard needs.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_TINY = 1e-300
_CLOSE = 1e-15
_MOST_STEPS = 10_000


def student_lower_tail(freedom: float, reach: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K,) P(T <= reach) of Student's t with ``freedom`` > 0 degrees, for ``reach`` <= 0 (K,); 8 digits up to 1e6.

    It is half of the regularised incomplete beta function I_x(freedom / 2, 1 / 2) at x = freedom / (freedom + reach^2)
    (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.1 and 26.5.27).
    """
    a, b = freedom / 2, 0.5
    square = np.square(reach)
    x, rest = freedom / (freedom + square), square / (freedom + square)  # 1 - x, without cancellation near 1
    with np.errstate(divide="ignore"):
        front = np.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * np.log(x) + b * np.log(rest))
    direct = x < (a + 1) / (a + b + 2)
    tails = np.empty_like(x)
    tails[direct] = front[direct] * _fraction(a, b, x[direct]) / a
    tails[~direct] = 1 - front[~direct] * _fraction(b, a, rest[~direct]) / b
    return tails / 2


def normal_lower_tail(reach: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K,) P(Z <= reach) of the standard normal distribution."""
    return np.array([math.erfc(-one / math.sqrt(2)) / 2 for one in reach.tolist()])


def _fraction(a: float, b: float, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The continued fraction of the incomplete beta function (Abramowitz and Stegun, 26.5.8), by Lentz's method.

    It converges in about the root of the larger of ``a`` and ``b`` steps where x < (a + 1) / (a + b + 2).
    """
    numerator = np.ones_like(x)
    denominator = 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = denominator.copy()
    for step in range(1, _MOST_STEPS):
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        change = np.ones_like(x)
        for term in (even, odd):
            denominator = 1 / _away_from_zero(1 + term * denominator)
            numerator = _away_from_zero(1 + term / numerator)
            change = numerator * denominator
            value *= change
        if not (np.abs(change - 1) > _CLOSE).any():
            break
    return value


def _away_from_zero(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.abs(values) < _TINY, _TINY, values)
