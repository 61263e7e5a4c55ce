"""How many of the first candidates are of a query's class, where equal scores stand in a random order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medbench_tasks.retrieval.ranking import Search, row_counts, score_blocks
from medbench_tasks.retrieval.relevance import Counts

if TYPE_CHECKING:
    from torch import Tensor


class Classes(NamedTuple):
    """The class of each query (Q,) and of each candidate (C,), numbers of one list."""

    queries: NDArray[np.int64]
    candidates: NDArray[np.int64]


class Firsts(NamedTuple):
    """The first places of each of Q queries, (Q,) each, up to some cut.

    ``sure`` candidates of its class are among them whatever the order of equal scores. The ``open`` last places are taken from
    ``tied`` candidates of one score, in a random order, of which ``right`` are of its class. Fewer places than the cut are
    there where the pool is smaller.
    """

    sure: NDArray[np.int64]
    open: NDArray[np.int64]
    tied: NDArray[np.int64]
    right: NDArray[np.int64]

    def found(self) -> NDArray[np.float64]:
        """(Q,) how many of the first places are of the class, expected."""
        return self.sure + self.open * self.right / np.maximum(self.tied, 1)

    def hits(self, cut: int) -> NDArray[np.float64]:
        """(Q,) the probability that one of them is; ``cut`` is that of these places."""
        return np.where(self.sure > 0, 1.0, Counts(cut - self.open, self.tied, self.right).hits(cut))


def firsts_of(
    queries: NDArray[np.float32],
    candidates: NDArray[np.float32],
    columns: NDArray[np.int64],
    classes: Classes,
    cuts: Sequence[int],
    search: Search,
) -> dict[int, Firsts]:
    """By cut: queries (Q, D) rank the pool that shows ``candidates[columns[p]]`` at each place p, by their dot products."""
    import torch

    found = {cut: Firsts(*np.empty((4, len(queries)), np.int64)) for cut in cuts}
    own = torch.from_numpy(classes.candidates).to(search.device)
    for block, scores in score_blocks(queries, candidates, columns, search):
        asked = torch.from_numpy(classes.queries[block]).to(search.device)
        right = own == asked[:, None]
        top = scores.topk(min(max(cuts), scores.shape[1]), dim=1).values
        for cut, firsts in found.items():
            for column, values in zip(firsts, _firsts(scores, right, top, cut), strict=True):
                column[block] = values
        search.advance(len(scores))
    return found


def random_firsts(classes: Classes, cuts: Sequence[int]) -> dict[int, Firsts]:
    """Of an answer that scores every candidate alike: exactly a random order."""
    count = len(classes.candidates)
    members = np.bincount(classes.candidates, minlength=int(classes.queries.max()) + 1)[classes.queries]
    nothing = np.zeros_like(members)
    return {
        cut: Firsts(nothing, np.full_like(members, min(cut, count)), np.full_like(members, count), members)
        for cut in cuts
    }


def _firsts(scores: Tensor, right: Tensor, top: Tensor, cut: int) -> Firsts:
    """Of a block's (B, C) scores; ``top`` (B, k) are the highest of them, falling."""
    places = min(cut, scores.shape[1])
    border = top[:, places - 1, None]
    above, level = scores > border, scores == border
    return Firsts(
        sure=row_counts(above & right),
        open=places - row_counts(above),
        tied=row_counts(level),
        right=row_counts(level & right),
    )
