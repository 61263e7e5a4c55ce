"""Which test samples to show: right and wrong ones, spread over how good the answers are, the same ones every time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def spread(
    sample_ids: Sequence[str],
    right: NDArray[np.bool_],
    scores: NDArray[np.float64],
    count: int,
    *,
    empty: NDArray[np.bool_] | None = None,
) -> list[int]:
    """Rows of up to ``count`` right and ``count`` wrong samples, right before wrong, each by falling score.

    The rows of a side are put in order of ``scores`` (N,), of equal ones by sample id, and cut into ``count`` equal pieces, of
    each of which the middle is taken: neither the best nor the worst. Rows without a score stand last. Those that are ``empty``
    (N,), with nothing to see in truth and answer, are taken only where a side has too few others.
    """
    import numpy as np

    keys = np.where(np.isnan(scores), -np.inf, scores)
    rows = sorted(range(len(sample_ids)), key=lambda row: (-keys[row], sample_ids[row]))
    dull = np.zeros(len(rows), np.bool_) if empty is None else empty
    chosen = []
    for side in (True, False):
        own = [row for row in rows if right[row] == side]
        worth = [row for row in own if not dull[row]]
        taken = _middles(worth, count)
        taken += _middles([row for row in own if dull[row]], count - len(taken))
        chosen += sorted(taken, key=own.index)
    return chosen


def better_half(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) which samples are above the median, or at it where none is above; never those of 0, or of no score (NaN)."""
    import numpy as np

    known = scores[~np.isnan(scores)]
    if not len(known):
        return np.zeros(len(scores), np.bool_)
    middle = float(np.median(known))
    above = scores > middle
    better: NDArray[np.bool_] = above if above.any() else scores >= middle
    return better & (scores > 0)


def _middles(rows: list[int], count: int) -> list[int]:
    """The middles of ``count`` equal pieces of ``rows``; all where there are no more."""
    if count <= 0:
        return []
    if len(rows) <= count:
        return list(rows)
    return [rows[(2 * place + 1) * len(rows) // (2 * count)] for place in range(count)]
