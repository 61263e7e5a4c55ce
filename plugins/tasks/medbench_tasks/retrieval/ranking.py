"""Ranks by dot products of embeddings, a block of queries at a time: the matrix of all scores is never held.

A block is scored against every candidate by one matrix product, its ranks are counted and it is forgotten. Equal candidates
are scored once, so that they tie: a product may add up a column in an order that depends on its place, on the rows and on the
threads, and would leave them a last bit apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medbench_tasks.retrieval.relevance import Counts, Relevance

if TYPE_CHECKING:
    from torch import Tensor

CELLS = 2**26
"""Scores of a block: 256 MiB in single precision."""


class Shortlist(NamedTuple):
    """The nearest candidates of each query, (Q, k) each: their numbers, nearest first, and their cosines.

    Which of several equal cosines at the border are in it is left to ``torch.topk``, as in the published evaluations.
    """

    items: NDArray[np.int32]
    cosines: NDArray[np.float32]


class Ranking(NamedTuple):
    """Counts of all queries, how many stand ``before`` the best right one where ties are settled by place, and shortlists.

    Of equal scores the later place stands first then: what reversing a stable ascending sort gives, as the published
    evaluations reverse an ``argsort``. ``before`` is (Q,); the shortlists' k may be 0.
    """

    counts: Counts
    before: NDArray[np.int64]
    shortlist: Shortlist


class Search(NamedTuple):
    """How a search is run: on what device, in blocks of how many scores, and who is told of queries done."""

    device: str = "cpu"
    cells: int = CELLS
    advance: Callable[[int], None] = lambda _: None


def rank(
    queries: NDArray[np.float32],
    candidates: NDArray[np.float32],
    relevance: Relevance,
    search: Search,
    keep: int = 0,
) -> Ranking:
    """Rank (C, D) candidates for (Q, D) queries by their dot products; ``keep`` are kept in shortlists, or all if fewer."""
    width = min(keep, len(candidates))
    above, tied, right, before = np.empty((4, len(queries)), np.int64)
    items = np.empty((len(queries), width), np.int32)
    cosines = np.empty((len(queries), width), np.float32)
    for block, scores in score_blocks(queries, candidates, np.arange(len(candidates)), search):
        above[block], tied[block], right[block], before[block] = _count(scores, relevance.part(block))
        if width:
            top = scores.topk(width, dim=1)
            cosines[block], items[block] = top.values.cpu(), top.indices.cpu()
        search.advance(len(scores))
    return Ranking(Counts(above, tied, right), before, Shortlist(items, cosines))


def rank_exact_pairs(
    queries: NDArray[np.float32],
    candidates: NDArray[np.float32],
    columns: NDArray[np.int64],
    relevance: Relevance,
    search: Search,
) -> Counts:
    """Rank the pool that shows candidate ``columns[p]`` at each place p, for queries (Q, D); ties are settled by place."""
    before = np.empty(len(queries), np.int64)
    for block, scores in score_blocks(queries, candidates, columns, search):
        before[block] = _count(scores, relevance.part(block)).before
        search.advance(len(scores))
    return untied(before)


def untied(above: NDArray[np.int64]) -> Counts:
    """The counts of queries whose best right candidate ties with nothing."""
    return Counts(above, np.ones_like(above), np.ones_like(above))


def score_blocks(
    queries: NDArray[np.float32], candidates: NDArray[np.float32], columns: NDArray[np.int64], search: Search
) -> Iterator[tuple[slice, Tensor]]:
    """Queries from..to and their scores (B, P) with candidate ``columns[p]`` at each place p, valid until the next."""
    import torch

    first, number = _distinct(candidates)
    places = number[columns]
    spread = None if np.array_equal(places, np.arange(len(first))) else torch.from_numpy(places).to(search.device)
    distinct = candidates if len(first) == len(candidates) else candidates[first]
    right = torch.from_numpy(distinct).to(search.device).T
    step = min(max(search.cells // max(len(places), 1), 1), len(queries))
    room = torch.empty((step, len(first)), device=search.device)
    for start in range(0, len(queries), step):
        block = slice(start, min(start + step, len(queries)))
        left = torch.from_numpy(queries[block]).to(search.device)
        scores = torch.mm(left, right, out=room[: len(left)])
        yield block, scores if spread is None else scores.index_select(1, spread)


def row_counts(mask: Tensor) -> NDArray[np.int64]:
    """(B,) how many of each row are set; numpy counts bytes several times as fast as torch on a CPU."""
    counts: NDArray[np.int64]
    counts = np.count_nonzero(mask.numpy(), axis=1) if mask.device.type == "cpu" else mask.sum(dim=1).cpu().numpy()
    return counts


class _Block(NamedTuple):
    """As `Counts` and `Ranking.before`, (B,) each."""

    above: NDArray[np.int64]
    tied: NDArray[np.int64]
    right: NDArray[np.int64]
    before: NDArray[np.int64]


def _count(scores: Tensor, relevance: Relevance) -> _Block:
    """Of the (B, C) scores of the block's queries."""
    import torch

    starts, owners = relevance.starts[:-1], relevance.owners
    own: NDArray[np.float32] = scores[owners, relevance.items].cpu().numpy()
    best = np.maximum.reduceat(own, starts)
    equal = own == best[owners]
    last = np.maximum.reduceat(np.where(equal, relevance.items, -1), starts)
    best_of, last_of = (torch.from_numpy(values).to(scores.device)[:, None] for values in (best, last))
    above = row_counts(scores > best_of)
    level = scores == best_of
    tied = row_counts(level)
    level &= torch.arange(scores.shape[1], device=scores.device) > last_of
    return _Block(above, tied, np.add.reduceat(equal, starts, dtype=np.int64), above + row_counts(level))


def _distinct(candidates: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each distinct row of (C, D) first stands, ascending, and the number of each row among those, (C,)."""
    rows = np.ascontiguousarray(candidates) + np.float32(0)  # so that -0.0 is 0.0
    numbers: dict[bytes, int] = {}
    digests = (hashlib.blake2b(row, digest_size=16).digest() for row in rows)  # a sort of the rows takes longer
    number = np.array([numbers.setdefault(digest, len(numbers)) for digest in digests], np.int64)
    return np.unique(number, return_index=True)[1], number
