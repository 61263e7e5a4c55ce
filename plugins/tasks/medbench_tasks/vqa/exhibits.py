"""Answers to look at, beside the true ones; what was asked stands in the dataset.

An answer is right where it is one of the true ones, as accuracy counts. Its score is the F1 of its words against the nearest
of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medbench.protocols import Example, Shown
from medbench_tasks.exhibits import spread
from medbench_tasks.texts.answers import exact_match, token_f1
from medbench_tasks.vqa.metrics import per_question
from medbench_tasks.vqa.predictions import read_answers

if TYPE_CHECKING:
    import pyarrow as pa

MEASURE = "F1 of words"
NO_ANSWER = "(the dataset has no answer)"


def show_answers(table: pa.Table, count: int) -> list[Example]:
    """Up to ``count`` right and ``count`` wrong questions, spread over their scores."""
    answers = read_answers(table)
    right, f1 = per_question(answers, exact_match) > 0, per_question(answers, token_f1)
    sample_ids = table.column("sample_id").to_pylist()
    return [
        Example(
            sample_id=sample_ids[row],
            right=bool(right[row]),
            truth=Shown(text=" / ".join(answers.truths[row]) or NO_ANSWER),
            answer=Shown(text=_with_confidence(answers.answers[row], float(answers.confidence[row]))),
            score=float(f1[row]),
            measure=MEASURE,
        )
        for row in spread(sample_ids, right, f1, count)
    ]


def _with_confidence(answer: str, confidence: float) -> str:
    return answer if np.isnan(confidence) else f"{answer} ({confidence:.2f})"
