"""What the match head makes of the shortlists: counts in its order, and those of the exact-pair reading."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medbench_tasks.retrieval.ranking import Shortlist, untied
from medbench_tasks.retrieval.relevance import Counts, Relevance


class Rescored(NamedTuple):
    """A shortlist with the score that re-ranks it, match logit + cosine, (Q, k) each."""

    shortlist: Shortlist
    scores: NDArray[np.float32]


def pairs_of(images: Shortlist, texts: Shortlist, text_count: int) -> NDArray[np.int64]:
    """The pairs that either direction's shortlists ask for, each once: ``image * text_count + text``, ascending."""
    return np.union1d(_image_pairs(images, text_count), _text_pairs(texts, text_count))


def rescore(
    images: Shortlist, texts: Shortlist, text_count: int, pairs: NDArray[np.int64], logits: NDArray[np.float32]
) -> tuple[Rescored, Rescored]:
    """Either direction's shortlists with their scores, from the logits of ``pairs`` as `pairs_of` gives them."""
    by_image = logits[np.searchsorted(pairs, _image_pairs(images, text_count))] + images.cosines
    by_text = logits[np.searchsorted(pairs, _text_pairs(texts, text_count))] + texts.cosines
    return Rescored(images, by_image), Rescored(texts, by_text)


def reranked(counts: Counts, rescored: Rescored, relevance: Relevance, candidates: int) -> Counts:
    """Counts of queries when their shortlists stand in the new order, in front of the rest in the order of cosines.

    ``counts`` are by cosine alone. Where no right candidate is in a shortlist, all that is in it stands above.
    """
    scores, width = rescored.scores, rescored.scores.shape[1]
    right = _is_right(rescored.shortlist.items, relevance, candidates)
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    level = scores == best
    found = Counts((scores > best).sum(axis=1), level.sum(axis=1), (level & right).sum(axis=1))
    above: NDArray[np.int64] = np.maximum(counts.above, width)
    missed = Counts(above, counts.tied - (above - counts.above), counts.right)
    listed = right.any(axis=1)
    return Counts(*(np.where(listed, *pair).astype(np.int64) for pair in zip(found, missed, strict=True)))


def reranked_exact_pairs(
    rescored: Rescored, queries: NDArray[np.int64], columns: NDArray[np.int64], relevance: Relevance, keep: int
) -> Counts:
    """Counts by exact pairs for queries that ask as ``queries[q]`` of the distinct ones; place p shows ``columns[p]``.

    The ``keep`` nearest places of a query are re-ranked; all others tie below them (-100 as released), and of equal scores
    the later place stands first. The shortlists must hold ``keep`` candidates, or all: as many places cannot show more.
    """
    order = np.argsort(columns, kind="stable")
    starts = np.searchsorted(columns[order], np.arange(int(columns.max()) + 2))
    above = np.empty(len(queries), np.int64)
    for query, distinct in enumerate(queries):
        items = rescored.shortlist.items[distinct].astype(np.int64)
        places, scores = _nearest_places(items, rescored.scores[distinct], order, starts, keep)
        own = relevance.items[relevance.starts[query] : relevance.starts[query + 1]]
        above[query] = _place_of(own, places, scores, len(columns))
    return untied(above)


def _nearest_places(
    items: NDArray[np.int64],
    scores: NDArray[np.float32],
    order: NDArray[np.int64],
    starts: NDArray[np.int64],
    keep: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The first ``keep`` places that show ``items`` (nearest first), and their scores."""
    copies = starts[items + 1] - starts[items]
    ends = np.cumsum(copies)
    copies = np.clip(keep - (ends - copies), 0, copies)
    within = np.arange(copies.sum()) - np.repeat(np.cumsum(copies) - copies, copies)
    return order[np.repeat(starts[items], copies) + within], np.repeat(scores, copies)


def _place_of(own: NDArray[np.int64], places: NDArray[np.int64], scores: NDArray[np.float32], count: int) -> int:
    """How many of ``count`` places stand before the first of ``own``."""
    mine = np.isin(places, own)
    if not mine.any():
        last = int(own.max())
        return len(places) + count - 1 - last - int(np.count_nonzero(places > last))
    best = scores[mine].max()
    last = int(places[mine & (scores == best)].max())
    return int(np.count_nonzero((scores > best) | ((scores == best) & (places > last))))


def _is_right(items: NDArray[np.int32], relevance: Relevance, candidates: int) -> NDArray[np.bool_]:
    """(Q, k) whether each shortlisted candidate is right for its query."""
    known = relevance.owners * candidates + relevance.items
    asked = np.arange(len(items))[:, None] * candidates + items
    places = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    right: NDArray[np.bool_] = known[places] == asked
    return right


def _image_pairs(shortlist: Shortlist, text_count: int) -> NDArray[np.int64]:
    """(Q, k) the pairs of images that ask for texts."""
    return np.arange(len(shortlist.items))[:, None] * text_count + shortlist.items


def _text_pairs(shortlist: Shortlist, text_count: int) -> NDArray[np.int64]:
    """(Q, k) the pairs of texts that ask for images."""
    return shortlist.items.astype(np.int64) * text_count + np.arange(len(shortlist.items))[:, None]
