"""The recalls of the published ``itm_eval`` and the score matrices of MOTOR's ``evaluation()``, number by number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from retrieval_toys import NAMES, manifest_of

from medbench_tasks.retrieval.answers import Embedded, exact_pairs, rank_pool, reordered
from medbench_tasks.retrieval.metrics import score_answers
from medbench_tasks.retrieval.pool import Pool, pool_of
from medbench_tasks.retrieval.predictions import Answer, Answers, answer_table
from medbench_tasks.retrieval.ranking import Ranking, Search, Shortlist, rank, rank_exact_pairs
from medbench_tasks.retrieval.relevance import Counts, Relevance
from medbench_tasks.retrieval.reranking import pairs_of, rescore

OURS = {"txt_r": "i2t-r", "img_r": "t2i-r"}


@pytest.mark.parametrize("name", ["ret_12x12", "ret_12x20", "ret_12x20_top3", "ret_12x12_ties"])
def test_recalls_are_the_published_ones(name: str, shared: Path, tmp_path: Path) -> None:
    arrays, results = _numbers(shared, "metrics-blip")
    i2t, t2i, image_of = (arrays[f"{name}_{what}"] for what in ("i2t", "t2i", "txt2img"))
    texts = np.arange(len(image_of))
    own_texts = Relevance.of_pairs(image_of, texts, len(i2t))
    own_image = Relevance.of_pairs(texts, image_of, len(texts))
    images = rank_exact_pairs(i2t, _eye(len(texts)), texts, own_texts, Search())
    asked = rank_exact_pairs(t2i, _eye(len(i2t)), np.arange(len(i2t)), own_image, Search())
    # Equal scores are settled in the order of the golden's texts; a manifest has them image by image.
    by_image = np.argsort(image_of, kind="stable")
    released = Answer(images, Counts(*(part[by_image] for part in asked)))
    pool = _pool(tmp_path, image_of[by_image])
    scores = score_answers(answer_table(pool, Answers(released, released, released)), NAMES)
    expected = results["results"][name]
    for theirs, ours in OURS.items():
        for cut in (1, 5, 10):
            value = scores[f"{ours}{cut}-as-released"].value
            assert value is not None
            assert 100 * value == pytest.approx(expected[f"{theirs}{cut}"], rel=1e-12)
    assert scores["mean-recall-as-released"].value == pytest.approx(expected["r_mean"] / 100, rel=1e-12)


@pytest.mark.parametrize("folder", ["motor-retrieval", "motor-retrieval-iu"])
@pytest.mark.parametrize("keep", [1, 2])
def test_shortlists_are_scored_as_published(folder: str, keep: int, shared: Path) -> None:
    arrays, _ = _numbers(shared, folder)
    cosines, logits = arrays["itc"], arrays["itm_logits"][..., 1]
    images, texts = cosines.shape
    lists = _shortlist(cosines, keep), _shortlist(np.ascontiguousarray(cosines.T), keep)
    pairs = pairs_of(*lists, texts)
    for name, rescored, shape in zip(
        ("i2t", "t2i"),
        rescore(*lists, texts, pairs, logits.ravel()[pairs]),
        ((images, texts), (texts, images)),
        strict=True,
    ):
        matrix = np.full(shape, -100, np.float32)
        np.put_along_axis(matrix, rescored.shortlist.items.astype(np.int64), rescored.scores, axis=1)
        np.testing.assert_allclose(matrix, arrays[f"score_{name}_k{keep}"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("keep", [1, 2, 3, 256])
def test_exact_pairs_are_those_of_the_published_matrix(keep: int, tmp_path: Path) -> None:
    """Pairs of random cosines and logits: the -100 matrix sorted as published, beside ranks from shortlists."""
    generator = np.random.default_rng(keep)
    image_of = np.sort(np.r_[np.arange(6), generator.integers(0, 6, 5)])
    pool = _pool(tmp_path, image_of)
    cosines = generator.standard_normal((6, 11)).astype(np.float32)
    logits = generator.standard_normal((6, 11)).astype(np.float32)
    i2t, t2i = _rankings(pool, cosines, keep)
    pairs = pairs_of(i2t.shortlist, t2i.shortlist, 11)
    _, released = reordered(pool, i2t, t2i, keep, pairs, logits.ravel()[pairs])
    own = image_of[None] == np.arange(6)[:, None]
    for counts, near, match, right in (
        (released.i2t, cosines, logits, own),
        (released.t2i, cosines.T, logits.T, own.T),
    ):
        kept = np.argsort(-near, axis=1)[:, :keep]
        matrix = np.full(near.shape, -100, np.float32)
        np.put_along_axis(matrix, kept, np.take_along_axis(near + match, kept, axis=1), axis=1)
        order = np.argsort(matrix, axis=1, kind="stable")[:, ::-1]
        assert counts.above.tolist() == np.take_along_axis(right, order, axis=1).argmax(axis=1).tolist()


def _numbers(shared: Path, folder: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    root = shared / "golden" / folder
    with np.load(root / "golden.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}, json.loads((root / "golden.json").read_text())


def _pool(folder: Path, image_of: NDArray[np.int64]) -> Pool:
    """Images that all differ, each with the texts that ``image_of`` gives it."""
    rows = [
        (image, [f"text {text}" for text in np.flatnonzero(image_of == image)]) for image in range(image_of.max() + 1)
    ]
    return pool_of(manifest_of(folder, rows))


def _eye(side: int) -> NDArray[np.float32]:
    return np.eye(side, dtype=np.float32)


def _rankings(pool: Pool, cosines: NDArray[np.float32], keep: int) -> tuple[Ranking, Ranking]:
    images, texts = cosines.shape
    return (
        rank(cosines, _eye(texts), pool.texts_of_images, Search(), keep),
        rank(np.ascontiguousarray(cosines.T), _eye(images), pool.images_of_texts, Search(), keep),
    )


def _shortlist(scores: NDArray[np.float32], keep: int) -> Shortlist:
    """What is kept of a matrix whose first column, say, is right."""
    first = Relevance(np.arange(len(scores) + 1), np.zeros(len(scores), np.int64))
    return rank(scores, _eye(scores.shape[1]), first, Search(), keep).shortlist


def test_the_same_search_by_embeddings_gives_the_same_exact_pairs(tmp_path: Path) -> None:
    """A shortlist of everything with no say of the match head is the cosines' own order."""
    generator = np.random.default_rng(5)
    pool = pool_of(
        manifest_of(tmp_path, [(value, [f"text {value % 3}", f"own {value}"]) for value in (3, 9, 3, 5, 9, 3)])
    )
    embedded = Embedded(*(generator.standard_normal((rows, 6)).astype(np.float32) for rows in (3, len(pool.texts))))
    i2t, t2i = rank_pool(embedded, pool, Search(), keep=256)
    direct = exact_pairs(embedded, pool, Search(), (i2t, t2i))
    pairs = pairs_of(i2t.shortlist, t2i.shortlist, len(pool.texts))
    final, released = reordered(pool, i2t, t2i, 256, pairs, np.zeros(len(pairs), np.float32))
    for ours, theirs in zip((*released, *final), (*direct, i2t.counts, t2i.counts), strict=True):
        assert [part.tolist() for part in ours] == [part.tolist() for part in theirs]
