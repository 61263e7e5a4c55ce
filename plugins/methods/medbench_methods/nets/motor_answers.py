"""The lists of answers that MOTOR's fine-tuned heads choose from, read from the checkpoints folder.

Source: MOTOR release (2023-04-24), vqa_api/dataset_{RAD,SLAKE}*.py: ``close_label2ans`` and ``open_label2ans``, the answer of
each class in order, as JSON for SLAKE and as a pickle for VQA-RAD.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from medbench.errors import CheckpointError, MissingCheckpointError

if TYPE_CHECKING:
    from pathlib import Path

CLOSED_FILE = "close_label2ans.json"
OPEN_FILE = "open_label2ans.json"
_VERBS = frozenset(
    "is are was were does do did has have had can could will would should may might".split()  # noqa: SIM905
)
_WORD = re.compile(r"[a-z']+")
_DELETED = re.compile(r"\.(?!\d)|'")
_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_ARTICLES = frozenset({"a", "an", "the"})
_DIGITS = {
    word: str(digit)
    for digit, word in enumerate("zero one two three four five six seven eight nine ten".split())  # noqa: SIM905
} | {"none": "0"}


class AnswerLists(NamedTuple):
    """The answers of the closed head's classes and of the open head's, in their order."""

    closed: tuple[str, ...]
    open: tuple[str, ...]


def read_answers(folder: Path) -> AnswerLists:
    """Both lists of ``folder``. Raises `MissingCheckpointError` where one is absent, `CheckpointError` where it is no list.

    The release's pickles are never read: unpickling a stranger's file can run code.
    """
    return AnswerLists(_read(folder / CLOSED_FILE), _read(folder / OPEN_FILE))


def check_sizes(answers: AnswerLists, closed: int, open: int, *, checkpoint: Path, folder: Path) -> None:
    """Raise `CheckpointError` unless the lists are as long as the heads have classes."""
    for name, found, needed in ((CLOSED_FILE, answers.closed, closed), (OPEN_FILE, answers.open, open)):
        if len(found) != needed:
            raise CheckpointError(
                f"{folder / name} lists {len(found)} answers, but the head in {checkpoint.name} has {needed} classes",
                fix="put the label list there that this checkpoint was trained with",
            )


def is_closed(question: str) -> bool:
    """Whether a question asks for yes or no, or for one of the things it names.

    By its form: it begins with an auxiliary verb, or with which or what and has an "or". The release is told the type by
    the data. Agreement with that: 98.3 % of VQA-RAD's training questions, 99.1 % of its test questions, and 99.7 % and 99.9 %
    of SLAKE's English validation and test questions.
    """
    words = _WORD.findall(question.lower())
    return bool(words) and (words[0] in _VERBS or (words[0] in {"which", "what"} and "or" in words))


def folded(answer: str) -> str:
    """What two wordings of one answer have in common: lower case, no marks, no articles, numbers to ten as digits.

    The lists differ in their wording: SLAKE's keeps the data's ("Right Lung, Upper Left"), VQA-RAD's is normalised by the rules
    of the VQA v2 evaluation ("right lung upper left"), and a caller may offer either. Hence those rules: a mark that stands
    beside a blank anywhere is deleted, any other becomes one. An answer of nothing but marks and articles keeps them.
    """
    text = _DELETED.sub("", answer.lower())
    numeric = _COMMA_IN_NUMBER.search(text) is not None
    bare = text
    for mark in _MARKS:
        goes = numeric or f"{mark} " in text or f" {mark}" in text
        bare = bare.replace(mark, "" if goes else " ")
    kept = " ".join(_DIGITS.get(word, word) for word in bare.split() if word not in _ARTICLES)
    return kept.replace("x ray", "xray") or " ".join(answer.lower().split())


def _read(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        raise _absent(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON ({str(error)[:80]})", fix="write the label list again") from error
    if isinstance(content, dict):  # {"0": answer, "1": answer, ...}
        content = [content.get(str(index)) for index in range(len(content))]
    if not isinstance(content, list) or not content or not all(isinstance(answer, str) for answer in content):
        raise CheckpointError(f"{path} is not a list of answers", fix='write it as JSON, e.g. ["no", "yes"]')
    return tuple(content)


def _absent(path: Path) -> MissingCheckpointError:
    pickled = path.with_suffix(".pkl")
    if pickled.is_file():
        return CheckpointError(
            f"{pickled} is a pickle, which can run code when it is read, so it was left closed",
            fix=f"where you trust it, convert it: python -c \"import json, pickle; json.dump(pickle.load(open('{pickled.name}',"
            f" 'rb')), open('{path.name}', 'w'))\"",
        )
    return MissingCheckpointError(
        f"no list of answers at {path}",
        fix="put the release's label2ans there, as a JSON list in the order of the classes",
    )
