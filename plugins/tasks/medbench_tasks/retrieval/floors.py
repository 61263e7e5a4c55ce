"""Answers that look at no image: a random order, and the texts that are written most often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from medbench_tasks.retrieval.pool import text_key
from medbench_tasks.retrieval.predictions import Answer, Answers, answer_table
from medbench_tasks.retrieval.relevance import counts_by_score, random_counts

if TYPE_CHECKING:
    import pyarrow as pa

    from medbench.manifest import Manifest
    from medbench_tasks.retrieval.pool import Pool


def floor_tables(train: Manifest, pool: Pool) -> Mapping[str, pa.Table]:
    """``chance`` is the exact expectation of a random order.

    ``usual-texts`` gives every image the texts of the pool in the order of how many samples of the training part have them,
    and every text the images in a random order; it is left out where the training part has none of the pool's texts.
    """
    floors = {"chance": answer_table(pool, _answers(pool))}
    written = Counter(key for texts in train.texts for key in {text_key(text) for text in texts})
    frequency = np.array([written[text_key(text)] for text in pool.texts], np.int64)
    if frequency.any():
        chance = _answers(pool)
        usual = Answer(counts_by_score(frequency, pool.texts_of_images), chance.final.t2i)
        exact = Answer(counts_by_score(frequency[pool.text_of], pool.own_texts), chance.released.t2i)
        floors["usual-texts"] = answer_table(pool, Answers(final=usual, embedding=usual, released=exact))
    return floors


def _answers(pool: Pool) -> Answers:
    """Of a random order."""
    distinct = Answer(
        random_counts(pool.texts_of_images, len(pool.texts)), random_counts(pool.images_of_texts, len(pool.images))
    )
    exact = Answer(random_counts(pool.own_texts, len(pool.row_of)), random_counts(pool.own_row, len(pool.rows)))
    return Answers(final=distinct, embedding=distinct, released=exact)
