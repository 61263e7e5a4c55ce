"""What a way of answering gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer a question, as `medbench_tasks.vqa.questions.spelt`, the probability that it is given, and notes.

    ``confidence`` is None where there are no probabilities.
    """

    answers: Sequence[str]
    confidence: Sequence[float] | None = None
    notes: Mapping[str, float] = field(default_factory=dict)
