"""Questions on images: what every question-answering dataset takes for a question, and what it passes over."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from medbench.samples import Problem, Sample
from medbench_datasets.folders import files_below
from medbench_datasets.names import IMAGE_SUFFIXES, complain_of_path, is_plain_text, tidy_path
from medbench_datasets.seen_names import Complaint, SeenNames
from medbench_datasets.texts import HALF_CHARACTER, encodable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

CLOSED, OPEN = "CLOSED", "OPEN"
ANSWER_TYPE, QUESTION_TYPE = "answer_type", "question_type"
_YES_NO = frozenset({"yes", "no"})


class Question(NamedTuple):
    """A question as a file states it; texts are None where the file has something else in their place.

    ``where`` is the file and the row, ``image`` the path that the row names and ``folder`` where such paths start, from the
    dataset's root with '/'. ``group`` stands for the patient.
    """

    where: str
    sample_id: str
    folder: str
    image: str | None
    group: str
    question: str | None
    answers: tuple[str | None, ...]
    details: Mapping[str, str | None]


def to_samples(questions: Iterable[Question], problems: list[Problem]) -> list[Sample]:
    """A sample a question, in order; ``texts`` is the question alone.

    Questions without words or image, or whose image lies outside the folder, or whose id came before or has control marks, are
    reported and passed over. An empty answer is reported and kept as '': the row is published, and counts. What UTF-8 cannot
    hold is replaced in the texts, and reported.
    """
    samples = []
    seen = SeenNames()
    for one in questions:
        complaint = _complaint(one, seen)
        if complaint is not None:
            problems.append(Problem(complaint.kind, one.where, f"{complaint.detail}; passed over"))
            continue
        question, answers, details = _told(one, problems)
        if "" in answers:
            problems.append(Problem("empty-answer", one.where, "the answer has no words; kept as it is"))
        samples.append(
            Sample(
                sample_id=one.sample_id,
                patient_id=one.group,
                image=tidy_path(f"{one.folder}/{one.image}"),
                texts=(question,),
                answers=answers,
                details=details,
            )
        )
    return samples


def count_listed(samples: Sequence[Sample], problems: Sequence[Problem]) -> int:
    """How many rows the files have: the samples, and the rows that were passed over, but for repeated ones."""
    return len(samples) + sum(problem.kind == "bad-row" for problem in problems)


def parts_of(asked: Mapping[str, Sequence[Question]]) -> dict[str, str]:
    """The part of each question by id; of an id that comes twice the first, as in `to_samples`."""
    part_of: dict[str, str] = {}
    for part, questions in asked.items():
        for one in questions:
            part_of.setdefault(one.sample_id, part)
    return part_of


def ids_by_part(samples: Iterable[Sample], part_of: Mapping[str, str], parts: Iterable[str]) -> dict[str, list[str]]:
    """The ids of each part's samples, in the order of the samples."""
    members: dict[str, list[str]] = {part: [] for part in parts}
    for one in samples:
        members[part_of[one.sample_id]].append(one.sample_id)
    return members


def read_answer_type(released: Any) -> str | None:
    """`CLOSED` or `OPEN` where a cell says so in whatever case, with blanks or not; else None."""
    kind = released.strip().upper() if isinstance(released, str) else ""
    return kind if kind in {CLOSED, OPEN} else None


def answer_type_of(answers: Sequence[str | None]) -> str:
    """`CLOSED` where the first answer is yes or no, else `OPEN`: for datasets that do not tell."""
    first = (answers[0] if answers else None) or ""
    return CLOSED if first.strip().casefold() in _YES_NO else OPEN


def unasked_images(
    root: Path, folder: str, samples: Sequence[Sample], counts: Callable[[PurePosixPath], bool] | None = None
) -> list[Problem]:
    """Images below ``folder`` that no sample is of; ``counts`` says which files are images of the dataset."""
    asked = {sample.image for sample in samples}
    return [
        Problem("unasked-image", name, "no question is about this image")
        for name in files_below(root, folder)
        if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES
        and (counts is None or counts(PurePosixPath(name)))
        and name not in asked
    ]


def _complaint(one: Question, seen: SeenNames) -> Complaint | None:
    wrong = _wrong_cell(one)
    if wrong is not None:
        return Complaint("bad-row", wrong)
    repeated = seen.take(one.sample_id)
    return None if repeated is None else Complaint("duplicate-id", repeated.detail)


def _told(one: Question, problems: list[Problem]) -> tuple[str, tuple[str, ...], dict[str, str]]:
    """The question, its answers and the details that are not empty, as a table can hold them."""
    question, answers = one.question or "", tuple(answer or "" for answer in one.answers)
    details = {name: value for name, value in one.details.items() if value}
    fit = (
        encodable(question),
        tuple(encodable(answer) for answer in answers),
        {name: encodable(value) for name, value in details.items()},
    )
    if fit != (question, answers, details):
        problems.append(Problem("encoding", one.where, HALF_CHARACTER))
    return fit


def _wrong_cell(one: Question) -> str | None:
    if not is_plain_text(one.sample_id):
        return f"the id {one.sample_id[:60]!r} has control characters"
    if one.image is None or complain_of_path(one.image) is not None:
        return complain_of_path(one.image or "")
    if not one.question:
        return "no question" if one.question == "" else "the question is not a text"
    if not one.answers or None in one.answers:
        return "the answer is neither a text nor a number"
    odd = [name for name, value in one.details.items() if value is None]
    return f"{odd[0]} is not what it should be" if odd else None
