"""Which candidates are right for a query, and how many stand above, beside and among the best of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Relevance(NamedTuple):
    """The right candidates of query q are ``items[starts[q]:starts[q + 1]]``, ascending; every query has one at least."""

    starts: NDArray[np.int64]
    items: NDArray[np.int64]

    @classmethod
    def of_pairs(cls, queries: NDArray[np.int64], candidates: NDArray[np.int64], count: int) -> Relevance:
        """From the pairs that are right, in any order, repeated or not; ``count`` queries."""
        order = np.lexsort((candidates, queries))
        pairs = np.stack([queries[order], candidates[order]])
        fresh = np.ones(len(order), bool)
        fresh[1:] = (pairs[:, 1:] != pairs[:, :-1]).any(axis=0)
        owners, items = pairs[:, fresh]
        return cls(np.searchsorted(owners, np.arange(count + 1)), items)

    def part(self, queries: slice) -> Relevance:
        """Those of a range of queries, numbered from 0."""
        starts = self.starts[queries.start : queries.stop + 1]
        return Relevance(starts - starts[0], self.items[starts[0] : starts[-1]])

    @property
    def numbers(self) -> NDArray[np.int64]:
        """(Q,) how many candidates are right for each query."""
        return np.diff(self.starts)

    @property
    def owners(self) -> NDArray[np.int64]:
        """The query of each of ``items``."""
        return np.repeat(np.arange(len(self.starts) - 1), self.numbers)


class Counts(NamedTuple):
    """Where the best right candidate of each of Q queries stands, (Q,) each.

    ``above`` candidates score higher than it, ``tied`` score as it does (itself included), of which ``right`` are right.
    Tied candidates stand in a random order, so that no answer gains or loses by the order of the pool: what a query scores is
    the expectation. The counts are all that it depends on.
    """

    above: NDArray[np.int64]
    tied: NDArray[np.int64]
    right: NDArray[np.int64]

    def hits(self, cut: int) -> NDArray[np.float64]:
        """(Q,) the probability that a right candidate stands among the first ``cut``."""
        misses = np.ones(len(self.above))
        for place in range(cut):
            # of the tied candidates, the one at this place is wrong as all before it were
            inside = place < np.minimum(cut - self.above, self.tied)
            wrong = np.maximum(self.tied - self.right - place, 0) / np.maximum(self.tied - place, 1)
            misses = np.where(inside, misses * wrong, misses)
        return 1 - misses

    def ranks(self) -> NDArray[np.float64]:
        """(Q,) the expected rank of the first right candidate, from 1."""
        return 1 + self.above + (self.tied - self.right) / (self.right + 1)


def random_counts(relevance: Relevance, candidates: int) -> Counts:
    """Of an answer that scores every candidate alike: its hits are exactly those of a random order."""
    numbers = relevance.numbers
    return Counts(np.zeros_like(numbers), np.full_like(numbers, candidates), numbers)


def counts_by_score(scores: NDArray[np.number], relevance: Relevance) -> Counts:
    """Of an answer that gives every query the same scores (C,) of the candidates."""
    own = scores[relevance.items]
    best = np.maximum.reduceat(own, relevance.starts[:-1])
    ordered = np.sort(scores)
    below, upto = np.searchsorted(ordered, best, "left"), np.searchsorted(ordered, best, "right")
    right = np.add.reduceat(own == best[relevance.owners], relevance.starts[:-1])
    return Counts(len(scores) - upto, upto - below, right)
