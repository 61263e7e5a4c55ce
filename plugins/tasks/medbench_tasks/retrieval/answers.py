"""A method's answers to every query of a pool: embedded, ranked, and re-ranked where it can match."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medbench.needs import image_need
from medbench.protocols import FeatureNeed
from medbench_tasks.retrieval.matching import match_pairs, token_need
from medbench_tasks.retrieval.predictions import Answer, Answers
from medbench_tasks.retrieval.ranking import Ranking, Search, rank, rank_exact_pairs, untied
from medbench_tasks.retrieval.reranking import pairs_of, reranked, reranked_exact_pairs, rescore
from medbench_tasks.vectors import unit_length

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medbench.features import Features
    from medbench.protocols import TrialContext
    from medbench_tasks.retrieval.pool import Pool
    from medbench_tasks.retrieval.recipe import RetrievalRecipe


class Embedded(NamedTuple):
    """Unit vectors of the distinct images (N, D) and texts (M, D) of a pool, in single precision."""

    images: NDArray[np.float32]
    texts: NDArray[np.float32]


def answers_of(context: TrialContext, pool: Pool, recipe: RetrievalRecipe) -> tuple[Answers, int]:
    """The answers, and how many pairs were matched after fusion. Raises `TrialError` for anything that is not finite."""
    features = context.features
    embedded = embed(features, pool)
    keep = kept_candidates(features, recipe)
    context.progress.phase("rank", _steps(pool, twice=not keep and pool.repeats))
    search = Search(device=context.compute.device, advance=context.progress.advance)
    i2t, t2i = rank_pool(embedded, pool, search, keep)
    by_cosine = Answer(i2t.counts, t2i.counts)
    if not keep:
        return Answers(by_cosine, by_cosine, exact_pairs(embedded, pool, search, (i2t, t2i))), 0
    pairs = pairs_of(i2t.shortlist, t2i.shortlist, len(pool.texts))
    logits = match_pairs(context, pool, pairs)
    final, released = reordered(pool, i2t, t2i, keep, pairs, logits)
    return Answers(final, by_cosine, released), len(pairs)


def embed(features: Features, pool: Pool) -> Embedded:
    """The pool's distinct images (or studies) and texts as unit vectors. Raises `TrialError` where one is not finite."""
    images = features.project(features.answer(pool_need(pool)), studies=pool.studies)
    return Embedded(unit_length(images), unit_length(features.texts(pool.texts)))


def foreseen_needs(features: Features, pool: Pool, recipe: RetrievalRecipe) -> Iterator[FeatureNeed]:
    """What `answers_of` asks of the image encoder."""
    yield pool_need(pool)
    if kept_candidates(features, recipe):
        yield token_need(pool)


def pool_need(pool: Pool) -> FeatureNeed:
    """The features of the pool's images, or of its studies."""
    if not pool.studies:
        return image_need(pool.images)
    return FeatureNeed(
        name="study",
        apply=lambda model, images: model.study_tokens(images)[:, 0],
        manifest=pool.images,
        studies=True,
    )


def kept_candidates(features: Features, recipe: RetrievalRecipe) -> int:
    """How many candidates of a query are matched after fusion."""
    return recipe.rerank if "ImageTextMatcher" in features.capabilities else 0


def rank_pool(embedded: Embedded, pool: Pool, search: Search, keep: int) -> tuple[Ranking, Ranking]:
    """By cosine: texts for images, and images for texts."""
    return (
        rank(embedded.images, embedded.texts, pool.texts_of_images, search, keep),
        rank(embedded.texts, embedded.images, pool.images_of_texts, search, keep),
    )


def exact_pairs(embedded: Embedded, pool: Pool, search: Search, ranked: tuple[Ranking, Ranking]) -> Answer:
    """By cosine, every row an image of its own and every stated text a text of its own.

    ``ranked`` is what `rank_pool` gives, and says it all where nothing repeats.
    """
    if not pool.repeats:
        i2t, t2i = ranked
        return Answer(untied(i2t.before), untied(t2i.before))
    images, texts = embedded
    return Answer(
        rank_exact_pairs(images[pool.image_of], texts, pool.text_of, pool.own_texts, search),
        rank_exact_pairs(texts[pool.text_of], images, pool.image_of, pool.own_row, search),
    )


def reordered(
    pool: Pool, i2t: Ranking, t2i: Ranking, keep: int, pairs: NDArray[np.int64], logits: NDArray[np.float32]
) -> tuple[Answer, Answer]:
    """After the match head: any right candidate, and exact pairs."""
    images, texts = rescore(i2t.shortlist, t2i.shortlist, len(pool.texts), pairs, logits)
    final = Answer(
        reranked(i2t.counts, images, pool.texts_of_images, len(pool.texts)),
        reranked(t2i.counts, texts, pool.images_of_texts, len(pool.images)),
    )
    released = Answer(
        reranked_exact_pairs(images, pool.image_of, pool.text_of, pool.own_texts, keep),
        reranked_exact_pairs(texts, pool.text_of, pool.image_of, pool.own_row, keep),
    )
    return final, released


def _steps(pool: Pool, *, twice: bool) -> int:
    """Queries to rank; ``twice`` where exact pairs are ranked on their own."""
    return len(pool.images) + len(pool.texts) + (len(pool.rows) + len(pool.row_of) if twice else 0)
