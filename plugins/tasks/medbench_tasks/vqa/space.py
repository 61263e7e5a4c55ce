"""The answers that can be given: those of the training part, and what they leave open at best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medbench.errors import MissingDataError, UsageError
from medbench_tasks.texts.answers import collapse, token_f1
from medbench_tasks.vqa.questions import spelt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medbench_tasks.vqa.questions import Questions


@dataclass(frozen=True)
class AnswerSpace:
    """Answers in alphabetical order, each with its place."""

    answers: tuple[str, ...]
    places: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", {answer: place for place, answer in enumerate(self.answers)})

    def __len__(self) -> int:
        return len(self.answers)

    def targets(self, truths: Sequence[tuple[str, ...]]) -> NDArray[np.float32]:
        """(N, answers) 1 at each right answer; a row of zeros where none can be given."""
        import numpy as np

        targets = np.zeros((len(truths), len(self)), np.float32)
        for row, truth in enumerate(truths):
            targets[row, [self.places[answer] for answer in truth if answer in self.places]] = 1
        return targets

    def nearest(self, truth: tuple[str, ...]) -> str:
        """A right answer, or one of most words in common with one (the first of equals); '' of no answers or no truth."""
        known = next((answer for answer in truth if answer in self.places), None)
        if known is not None or not self.answers or not truth:
            return known or ""
        import numpy as np

        shared = np.max([token_f1(self.answers, [one] * len(self)) for one in truth], axis=0)
        return self.answers[int(shared.argmax())]


def answer_space(truths: Iterable[tuple[str, ...]], min_count: int) -> AnswerSpace:
    """The answers that occur ``min_count`` times or more."""
    counts = Counter(answer for truth in truths for answer in truth)
    return AnswerSpace(tuple(sorted(answer for answer, count in counts.items() if count >= min_count)))


def space_of(train: Questions, min_count: int) -> AnswerSpace:
    """One space for all questions. Raises `MissingDataError` for no question, `UsageError` where ``min_count`` leaves none."""
    if not len(train):
        raise MissingDataError(f"the training part of {train.manifest.dataset} has no question with an answer")
    return _some(answer_space(train.truths, min_count), min_count)


def wordings(train: Questions, space: AnswerSpace) -> list[str]:
    """Each answer of ``space`` as training writes it most often (the first by the alphabet of equals), blanks collapsed.

    What a method that knows answers is offered: it was trained on a dataset's own wording, and normalisation takes the commas
    out of "Right Lung, Upper Left".
    """
    written: dict[str, Counter[str]] = {}
    for answers in train.manifest.answers:
        for answer in map(collapse, answers):
            written.setdefault(spelt(answer), Counter())[answer] += 1
    return [min(counts, key=lambda one: (-counts[one], one)) for counts in map(written.__getitem__, space.answers)]


@dataclass(frozen=True, slots=True)
class TypedSpaces:
    """One space for closed and one for open questions; one of them may be empty."""

    closed: AnswerSpace
    open: AnswerSpace

    def of(self, is_closed: bool) -> AnswerSpace:
        """That of a question's type."""
        return self.closed if is_closed else self.open


def spaces_by_type(train: Questions, min_count: int) -> TypedSpaces:
    """A space for each type, by the release's types. Raises as `space_of`."""
    space_of(train, min_count)
    rows = list(zip(train.truths, train.is_closed, strict=True))
    return TypedSpaces(
        closed=answer_space((truth for truth, closed in rows if closed), min_count),
        open=answer_space((truth for truth, closed in rows if not closed), min_count),
    )


def best_answers(test: Questions, spaces: AnswerSpace | TypedSpaces) -> list[str]:
    """The right answer wherever it can be given, else one of its words: what the answer space allows at best."""
    return [
        (spaces.of(closed) if isinstance(spaces, TypedSpaces) else spaces).nearest(truth)
        for truth, closed in zip(test.truths, test.is_closed, strict=True)
    ]


def _some(space: AnswerSpace, min_count: int) -> AnswerSpace:
    if not len(space):
        raise UsageError(f"no answer occurs {min_count} times in training", fix="lower the recipe's min_count")
    return space
