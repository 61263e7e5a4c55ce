"""Answers that look at nothing: the most frequent of training, over all questions or over those of the same type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medbench_tasks.vqa.questions import Questions


def majority_answers(train: Questions, test: Questions) -> list[str]:
    """The most frequent answer of training to every question."""
    return [_most_frequent(train.truths)] * len(test)


def majority_by_type_answers(train: Questions, test: Questions) -> list[str]:
    """The most frequent answer of training to a question of the same true type, which an honest answerer is not told.

    A type that training lacks gets the answer that is most frequent overall.
    """
    overall = _most_frequent(train.truths)
    known = {
        kind: _most_frequent(truth for truth, one in zip(train.truths, train.types, strict=True) if one == kind)
        for kind in set(train.types)
    }
    return [known.get(kind, overall) for kind in test.types]


def _most_frequent(truths: Iterable[tuple[str, ...]]) -> str:
    """The first by the alphabet of those that are equally frequent."""
    counts = Counter(answer for truth in truths for answer in truth)
    return min(counts, key=lambda answer: (-counts[answer], answer))
