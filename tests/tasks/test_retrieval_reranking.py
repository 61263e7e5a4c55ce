"""Re-ranking: shortlists in front in their new order, beside a list sorted by hand; duplicates in the exact reading."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from retrieval_toys import relevance_of

from medbench_tasks.retrieval.ranking import Search, rank
from medbench_tasks.retrieval.relevance import Counts, Relevance
from medbench_tasks.retrieval.reranking import Rescored, reranked, reranked_exact_pairs


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 12), st.sampled_from([1, 2, 3, 8, 256]), st.booleans()
)
def test_new_order_of_the_nearest_then_the_old_of_the_rest(
    seed: int, queries: int, candidates: int, keep: int, tie: bool
) -> None:
    generator = np.random.default_rng(seed)
    cosines = generator.permuted(np.tile(np.arange(candidates, dtype=np.float32), (queries, 1)), axis=1)
    logits = generator.integers(0, 3, cosines.shape).astype(np.float32) * 20 - (cosines if tie else 0)
    right = generator.random(cosines.shape) < 0.3
    right[np.arange(queries), generator.integers(0, candidates, queries)] = True
    found = _rerank(cosines, logits, relevance_of(right), keep)
    for query in range(queries):
        ordered = sorted(range(candidates), key=lambda one: -cosines[query, one])
        near = ordered[:keep]
        scores = {one: (1, cosines[query, one] + logits[query, one]) for one in near}
        scores |= {one: (0, cosines[query, one]) for one in ordered[keep:]}
        best = max(scores[one] for one in range(candidates) if right[query, one])
        assert found.above[query] == sum(score > best for score in scores.values())
        assert found.tied[query] == sum(score == best for score in scores.values())
        assert found.right[query] == sum(score == best and right[query, one] for one, score in scores.items())


def test_equals_at_the_border_that_came_in_stand_above_those_that_did_not() -> None:
    cosines = np.zeros((1, 5), np.float32)
    relevance = Relevance(np.array([0, 1]), np.array([4]))
    counts = rank(cosines, np.eye(5, dtype=np.float32), relevance, Search()).counts
    items = np.array([[0, 1]], np.int32)
    rescored = Rescored(rank(cosines, np.eye(5, dtype=np.float32), relevance, Search(), 2).shortlist, np.zeros((1, 2)))
    rescored = rescored._replace(shortlist=rescored.shortlist._replace(items=items))
    found = reranked(counts, rescored, relevance, 5)
    assert [part.tolist() for part in found] == [[2], [3], [1]]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 14), st.integers(1, 16))
def test_exact_pairs_count_copies_as_misses(seed: int, distinct: int, places: int, keep: int) -> None:
    """The row-level matrix with -100 outside the nearest places, sorted stably and reversed."""
    generator = np.random.default_rng(seed)
    columns = np.r_[np.arange(distinct), generator.integers(0, distinct, places)]
    generator.shuffle(columns)
    cosines = generator.permuted(np.tile(np.arange(distinct, dtype=np.float32), (3, 1)), axis=1)
    logits = generator.integers(0, 2, cosines.shape).astype(np.float32) * 10
    own = generator.integers(0, len(columns), 3)
    shortlist = rank(cosines, np.eye(distinct, dtype=np.float32), _first(3), Search(), keep).shortlist
    scores = np.take_along_axis(cosines + logits, shortlist.items.astype(np.int64), axis=1)
    asks = np.array([0, 1, 2])
    relevance = Relevance.of_pairs(asks, own, 3)
    found = reranked_exact_pairs(Rescored(shortlist, scores), asks, columns, relevance, keep)
    matrix = np.full((3, len(columns)), -100.0)
    for query in range(3):
        near = np.lexsort((np.arange(len(columns)), -cosines[query, columns]))[:keep]
        matrix[query, near] = (cosines + logits)[query, columns[near]]
        order = np.argsort(matrix[query], kind="stable")[::-1]
        assert found.above[query] == np.flatnonzero(order == own[query])[0]
    assert found.tied.tolist() == found.right.tolist() == [1, 1, 1]


def _rerank(cosines: np.ndarray, logits: np.ndarray, relevance: Relevance, keep: int) -> Counts:
    counts, _, shortlist = rank(cosines, np.eye(cosines.shape[1], dtype=np.float32), relevance, Search(), keep)
    scores = np.take_along_axis(cosines + logits, shortlist.items.astype(np.int64), axis=1)
    return reranked(counts, Rescored(shortlist, scores), relevance, cosines.shape[1])


def _first(queries: int) -> Relevance:
    return Relevance(np.arange(queries + 1), np.zeros(queries, np.int64))
