"""The table of answers: enough to score again without a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from medbench.errors import TrialError
from medbench.manifest import ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medbench_tasks.vqa.answered import Answered
    from medbench_tasks.vqa.questions import Questions

DETAILS = ("question_type", "phrase_type", "language")
"""The dataset's details that questions are grouped by."""

SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("patient_id", pa.string(), nullable=False),
        pa.field("question", pa.string(), nullable=False),
        pa.field("truth", pa.list_(pa.string()), nullable=False),
        pa.field("answer", pa.string(), nullable=False),
        pa.field("confidence", pa.float64()),
        pa.field("answer_type", pa.string(), nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in DETAILS),
        *(pa.field(name, pa.string()) for name in ATTRIBUTES),
    ]
)
"""``truth`` (any of them is right) and ``answer`` are normalised; ``confidence`` is null where there are no probabilities.
``answer_type`` is CLOSED, OPEN or ''."""


def answer_table(questions: Questions, answered: Answered) -> pa.Table:
    """A table of `SCHEMA` for ``questions`` in order."""
    manifest = questions.manifest
    table: pa.Table = pa.Table.from_pydict(
        {
            "sample_id": manifest.sample_ids,
            "patient_id": manifest.patient_ids,
            "question": list(questions.texts),
            "truth": [list(truth) for truth in questions.truths],
            "answer": list(answered.answers),
            "confidence": [None] * len(questions) if answered.confidence is None else list(answered.confidence),
            "answer_type": list(questions.types),
            **{name: manifest.detail(name) for name in DETAILS},
            **{name: manifest.attribute(name) for name in ATTRIBUTES},
        },
        schema=SCHEMA,
    )
    return table


@dataclass(frozen=True)
class Answers:
    """The table by columns, N long; ``confidence`` is NaN where there is none; ``members`` maps a grouping to groups."""

    patient_ids: list[str]
    truths: list[list[str]]
    answers: list[str]
    confidence: NDArray[np.float64]
    types: NDArray[np.str_]
    members: dict[str, list[str]]

    def __len__(self) -> int:
        return len(self.answers)

    def take(self, rows: Sequence[int]) -> Answers:
        """Those at ``rows``, in that order."""
        return Answers(
            patient_ids=[self.patient_ids[row] for row in rows],
            truths=[self.truths[row] for row in rows],
            answers=[self.answers[row] for row in rows],
            confidence=self.confidence[rows],
            types=self.types[rows],
            members={name: [values[row] for row in rows] for name, values in self.members.items()},
        )


def read_answers(table: pa.Table) -> Answers:
    """The columns of a table of `SCHEMA`. Raises `TrialError` where it has no row."""
    if not table.num_rows:
        raise TrialError("there is no prediction to score")
    columns = {name: table.column(name).to_pylist() for name in SCHEMA.names}
    return Answers(
        patient_ids=columns["patient_id"],
        truths=columns["truth"],
        answers=columns["answer"],
        confidence=np.array([np.nan if one is None else one for one in columns["confidence"]], np.float64),
        types=np.array(columns["answer_type"], np.str_),
        members={name: [value or "" for value in columns[name]] for name in (*DETAILS, *ATTRIBUTES)},
    )
