"""Training subsets: drawn once from a generator of their own, nested, and kept in the record.

The 1 % of a seed lies inside its 10 %, whatever else the run does, because both are prefixes of one permutation that
depends on nothing but the sorted sample ids and the seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from medbench.errors import UsageError
from medbench.records import Subset

_STREAM = 0x6D656462  # keeps these draws apart from every other use of the same seed


def draw(sample_ids: Sequence[str], fraction: float, seed: int) -> list[int]:
    """Indices (ascending) of ``max(1, int(fraction * n))`` samples. Raises `UsageError` unless 0 < fraction <= 1."""
    if not 0 < fraction <= 1:
        raise UsageError(f"the fraction {fraction} is outside (0, 1]")
    n = len(sample_ids)
    if fraction == 1:
        return list(range(n))
    by_id = sorted(range(n), key=lambda index: sample_ids[index])
    order = np.random.default_rng([_STREAM, seed]).permutation(n)
    return sorted(by_id[index] for index in order[: max(1, int(fraction * n))])


def describe(sample_ids: Sequence[str], *, whole: bool) -> Subset:
    """What a record keeps of a subset; the ids themselves unless it is the ``whole`` part."""
    digest = hashlib.sha256("\n".join(sorted(sample_ids)).encode()).hexdigest()
    return Subset(n=len(sample_ids), sha256=digest, sample_ids=None if whole else sorted(sample_ids))
