"""What is searched: which images and texts are the same, what belongs together, what is left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from retrieval_toys import manifest_of

from medbench.errors import MissingDataError
from medbench_tasks.retrieval.pool import pool_of, text_key
from medbench_tasks.retrieval.relevance import Relevance


def test_the_same_bytes_are_one_image_and_the_same_words_one_text(tmp_path: Path) -> None:
    rows = [(10, ["No effusion.", "Clear lungs"]), (20, ["NO  effusion.\n"]), (10, ["Small nodule"])]
    pool = pool_of(manifest_of(tmp_path, rows))
    assert pool.images.sample_ids == ["s0", "s1"]
    assert pool.texts == ["No effusion.", "Clear lungs", "Small nodule"]
    assert pool.image_of.tolist() == [0, 1, 0]
    assert pool.text_of.tolist() == [0, 1, 0, 2]
    assert pool.row_of.tolist() == [0, 0, 1, 2]
    assert _lists(pool.texts_of_images) == [[0, 1, 2], [0]]
    assert _lists(pool.images_of_texts) == [[0, 1], [0], [0]]
    assert _lists(pool.own_texts) == [[0, 1], [2], [3]]
    assert _lists(pool.own_row) == [[0], [0], [1], [2]]
    assert pool.first_rows.tolist() == [0, 1]
    assert pool.first_stated.tolist() == [0, 0, 2]


def test_panels_of_a_figure_are_images_of_their_own(tmp_path: Path) -> None:
    regions = [(0, 0, 2, 2), (2, 0, 2, 2), (0, 0, 2, 2), None]
    pool = pool_of(manifest_of(tmp_path, [(10, [f"panel {index}"]) for index in range(4)], regions=regions))
    assert pool.image_of.tolist() == [0, 1, 0, 2]


def test_rows_that_lack_an_image_or_a_text_are_no_distractors(tmp_path: Path) -> None:
    rows = [(10, []), (None, ["alone"]), (20, ["", "  \n"]), (30, [" ", "kept"])]
    pool = pool_of(manifest_of(tmp_path, rows))
    assert pool.rows.sample_ids == ["s3"]
    assert pool.texts == ["kept"]
    assert pool.left_out == {"rows_without_image": 1, "rows_without_text": 2, "blank_texts": 3}


@pytest.mark.parametrize("rows", [[(10, []), (None, ["alone"])], [(10, [" "])]])
def test_a_test_part_without_any_pair_is_told(tmp_path: Path, rows: list[tuple[int | None, list[str]]]) -> None:
    with pytest.raises(MissingDataError, match="no sample of toy's test part has both an image and a text"):
        pool_of(manifest_of(tmp_path, rows))


def test_texts_of_any_language_are_told_apart() -> None:
    assert text_key("Keine  PNEUMONIE\u00a0rechts") == text_key("keine pneumonie rechts")
    assert len({text_key(text) for text in ("肺炎", "没有肺炎", "лёгкие чистые", "رئة")}) == 4


def _lists(relevance: Relevance) -> list[list[int]]:
    return [
        relevance.items[start:end].tolist()
        for start, end in zip(relevance.starts[:-1], relevance.starts[1:], strict=True)
    ]
