"""Ranks in blocks: against a sort of the whole matrix, with ties, several right answers, and bounded memory."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from retrieval_toys import relevance_of

from medbench_tasks.retrieval.ranking import Ranking, Search, rank, rank_exact_pairs
from medbench_tasks.retrieval.relevance import Counts, Relevance, counts_by_score, random_counts

CUTS = (1, 2, 5, 10)


@st.composite
def searches(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A matrix of whole scores with many ties, and which cells are right (at least one in each row)."""
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 12)))
    scores = draw(arrays(np.float32, shape, elements=st.integers(-3, 3).map(float)))
    right = draw(arrays(np.bool_, shape))
    right[np.arange(shape[0]), draw(arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)))] = True
    return scores, right


def _rank(scores: NDArray[np.float32], relevance: Relevance, cells: int = 99) -> Ranking:
    """Ranks by a matrix of scores as it is."""
    return rank(scores, np.eye(scores.shape[1], dtype=np.float32), relevance, Search(cells=cells))


@settings(deadline=None, max_examples=60)
@given(searches(), st.integers(1, 200))
def test_ranks_are_those_of_a_sorted_matrix_whatever_the_block(
    found: tuple[NDArray[np.float32], NDArray[np.bool_]], cells: int
) -> None:
    scores, right = found
    counts = _rank(scores, relevance_of(right), cells).counts
    for query, (row, is_right) in enumerate(zip(scores, right, strict=True)):
        best = max(row[is_right])
        assert counts.above[query] == sum(row > best)
        assert counts.tied[query] == sum(row == best)
        assert counts.right[query] == sum((row == best) & is_right)


@settings(deadline=None, max_examples=60)
@given(searches(), st.integers(1, 200))
def test_exact_pairs_are_those_of_a_reversed_stable_sort(
    found: tuple[NDArray[np.float32], NDArray[np.bool_]], cells: int
) -> None:
    scores, right = found
    columns = np.arange(scores.shape[1])
    search = Search(cells=cells)
    counts = rank_exact_pairs(scores, np.eye(len(columns), dtype=np.float32), columns, relevance_of(right), search)
    order = np.argsort(scores, axis=1, kind="stable")[:, ::-1]
    firsts = [int(np.flatnonzero(is_right[places])[0]) for places, is_right in zip(order, right, strict=True)]
    assert counts.above.tolist() == _rank(scores, relevance_of(right), cells).before.tolist() == firsts


def test_copies_of_a_candidate_count_each_and_tie() -> None:
    columns = np.array([0, 1, 0, 1, 1])
    queries = np.array([[2.0, 1.0], [1.0, 2.0]], np.float32)
    relevance = Relevance.of_pairs(np.array([0, 1]), np.array([0, 3]), 2)
    counts = rank_exact_pairs(queries, np.eye(2, dtype=np.float32), columns, relevance, Search())
    assert counts.above.tolist() == [1, 1]  # behind place 2, which shows the same; behind place 4


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 10, 15])
@pytest.mark.parametrize("others", [0, 2, 5, 30])
def test_equal_candidates_tie_in_blocks_of_any_size_and_in_the_last(count: int, others: int) -> None:
    """As matrix products of few rows or columns do not have it: they leave equal columns a last bit apart."""
    draw = np.random.default_rng(0)
    queries, copies, rest = (draw.standard_normal((n, 256), np.float32) for n in (count, 1, others))
    candidates = np.concatenate([copies, rest, np.repeat(copies, 6, axis=0)])
    places = np.concatenate([[0], np.arange(1 + others, 7 + others)])
    relevance = Relevance.of_pairs(np.arange(count), np.full(count, 1 + others), count)
    exact = Relevance.of_pairs(np.arange(count), np.full(count, places[-1]), count)
    above = (queries @ rest.T > queries @ copies.T).sum(axis=1)
    for step in range(1, count + 1):
        search = Search(cells=step * len(candidates))
        counts = rank(queries, candidates, relevance, search).counts
        assert (counts.tied == 7).all()
        assert counts.above.tolist() == above.tolist()
        columns = np.arange(len(candidates))
        assert rank_exact_pairs(queries, candidates, columns, exact, search).above.tolist() == above.tolist()


@pytest.mark.parametrize(("above", "tied", "right"), [(0, 1, 1), (0, 4, 1), (1, 4, 2), (3, 5, 3), (0, 5, 5), (2, 3, 1)])
def test_hits_and_ranks_are_means_over_every_order_of_the_tied(above: int, tied: int, right: int) -> None:
    counts = Counts(*(np.array([value]) for value in (above, tied, right)))
    firsts = [above + min(order.index(one) for one in range(right)) for order in itertools.permutations(range(tied))]
    for cut in CUTS:
        assert counts.hits(cut)[0] == pytest.approx(np.mean([first < cut for first in firsts]))
    assert counts.ranks()[0] == pytest.approx(1 + np.mean(firsts))


def test_an_answer_that_scores_all_alike_is_a_random_order() -> None:
    relevance = Relevance(np.array([0, 1, 4]), np.array([2, 0, 1, 3]))
    alike = rank(np.zeros((2, 3), np.float32), np.ones((8, 3), np.float32), relevance, Search()).counts
    for ours, expected in zip(alike, random_counts(relevance, 8), strict=True):
        assert ours.tolist() == expected.tolist()
    assert alike.hits(1).tolist() == pytest.approx([1 / 8, 3 / 8])
    assert alike.hits(8).tolist() == [1, 1]


@settings(deadline=None, max_examples=30)
@given(searches())
def test_one_score_for_all_queries_counts_as_ranking_does(
    found: tuple[NDArray[np.float32], NDArray[np.bool_]],
) -> None:
    scores, right = found
    same = np.repeat(scores[:1], len(scores), axis=0)
    relevance = relevance_of(right)
    ranked = _rank(same, relevance).counts
    for ours, theirs in zip(counts_by_score(scores[0], relevance), ranked, strict=True):
        assert ours.tolist() == theirs.tolist()


def test_shortlists_are_the_nearest_first_and_no_longer_than_the_pool() -> None:
    scores = np.array([[1.0, 5.0, 3.0], [9.0, 7.0, 8.0]], np.float32)
    relevance = Relevance(np.array([0, 1, 2]), np.array([0, 0]))
    for keep, width in ((2, 2), (256, 3)):
        shortlist = rank(scores, np.eye(3, dtype=np.float32), relevance, Search(cells=3), keep).shortlist
        assert shortlist.items.tolist() == [[1, 2, 0][:width], [0, 2, 1][:width]]
        assert shortlist.cosines.tolist() == [[5, 3, 1][:width], [9, 8, 7][:width]]


def test_queries_done_are_told() -> None:
    told: list[int] = []
    scores = np.eye(7, dtype=np.float32)
    rank(scores, scores, relevance_of(np.eye(7, dtype=bool)), Search(cells=21, advance=told.append))
    assert told == [3, 3, 1]


def test_the_matrix_is_never_whole_in_memory() -> None:
    """16,000 x 16,000 scores are 1,024 MB."""
    script = """
import resource
import numpy as np
from medbench_tasks.retrieval.ranking import Search, rank
from medbench_tasks.retrieval.relevance import Relevance
unit = np.random.default_rng(0).standard_normal((16_000, 8)).astype(np.float32)
some = Relevance(np.arange(3), np.arange(2))
rank(unit[:2], unit, some, Search())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
own = Relevance(np.arange(len(unit) + 1), np.arange(len(unit)))
found = rank(unit, unit, own, Search(cells=2**23))
assert len(found.counts.above) == len(unit)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    kilobytes = int(done.stdout) / (1024 if sys.platform == "darwin" else 1)
    assert kilobytes < 150_000
