"""Pairs of images and of sentences to look at, with what was answered of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medbench.protocols import Example, Shown
from medbench_tasks.exhibits import spread
from medbench_tasks.temporal.pair_predictions import PairPredictions, read_pairs
from medbench_tasks.temporal.sentence_metrics import SentencePairs

if TYPE_CHECKING:
    import pyarrow as pa

PROGRESSIONS = ("improving", "stable", "worsening")
"""What the classes of MS-CXR-T's image pairs mean."""
FINDINGS_RIGHT = "share of findings that are right"
MARGIN = "cosine beyond the threshold, on the right side"


def show_pairs(table: pa.Table, count: int) -> list[Example]:
    """Up to ``count`` pairs of images whose findings are all right and ``count`` others, spread over the share that is.

    Findings that are unknown of a pair, or were not answered, do not count; pairs without any other are left out.
    """
    pairs = read_pairs(table)
    rows = np.flatnonzero(pairs.answered.any(axis=1))
    hits = (pairs.truth == pairs.predicted) & pairs.answered
    shares = hits[rows].sum(axis=1) / pairs.answered[rows].sum(axis=1)
    ids = table.column("sample_id").to_pylist()
    sample_ids = [ids[row] for row in rows]
    return [
        Example(
            sample_id=sample_ids[place],
            right=bool(shares[place] == 1),
            truth=Shown(text=_told(pairs, rows[place], pairs.truth)),
            answer=Shown(text=_told(pairs, rows[place], pairs.predicted)),
            score=float(shares[place]),
            measure=FINDINGS_RIGHT,
        )
        for place in spread(sample_ids, shares == 1, shares, count)
    ]


def show_sentences(table: pa.Table, count: int) -> list[Example]:
    """Up to ``count`` right and ``count`` wrong pairs of sentences, spread over how far they are from their threshold.

    None where the pairs have no threshold, as then nothing is said to be the same.
    """
    pairs = SentencePairs.of(table)
    if np.isnan(pairs.threshold).any():
        return []
    same = pairs.truth == 1
    beyond = pairs.similarity - pairs.threshold
    right = (beyond > 0) == same
    margin = np.where(same, beyond, -beyond)
    sample_ids = table.column("sample_id").to_pylist()
    return [
        Example(
            sample_id=sample_ids[row],
            right=bool(right[row]),
            truth=Shown(text=_meaning(same[row])),
            answer=Shown(
                text=f"{_meaning(beyond[row] > 0)} (cosine {pairs.similarity[row]:.3f}, "
                f"threshold {pairs.threshold[row]:.3f})"
            ),
            score=float(margin[row]),
            measure=MARGIN,
        )
        for row in spread(sample_ids, right, margin, count)
    ]


def _told(pairs: PairPredictions, row: np.int64, values: NDArray[np.int8]) -> str:
    return ", ".join(
        f"{finding}: {_progression(int(value))}"
        for finding, value, answered in zip(pairs.findings, values[row], pairs.answered[row], strict=True)
        if answered
    )


def _progression(value: int) -> str:
    return PROGRESSIONS[value] if value < len(PROGRESSIONS) else f"class {value}"


def _meaning(same: np.bool_) -> str:
    return "the same meaning" if same else "another meaning"
