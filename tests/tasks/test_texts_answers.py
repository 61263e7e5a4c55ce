"""Answers: the spelling that VQA-RAD and SLAKE are compared in, and the scores of a predicted answer."""

from __future__ import annotations

import gzip
import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from medbench_tasks.texts.answers import bleu_1, collapse, exact_match, normalise, token_f1

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Rows = list[dict[str, Any]]


@pytest.mark.parametrize(
    ("answer", "normal"),
    [
        ("Yes", "yes"),
        ("  The left  lung. ", "left lung"),
        ("A chest X Ray", "chest xray"),
        ("None", "0"),
        ("two", "2"),
        ("non-contrast", "non contrast"),
        ("right/left", "right left"),
        ("heart, lungs", "heart lungs"),
        ("1,000 ml", "1000 ml"),
        ("5.6cm", "5.6cm"),
        ("dont know", "don't know"),
        ("cant and wont", "can't and won't"),
        ("well circumscribed", "well circumscribed"),
        ("", ""),
        ("注意饮食卫生，避免外伤。", "注意饮食卫生 避免外伤"),
        ("生物转化、解毒", "生物转化 解毒"),
    ],
)
def test_one_spelling_for_answers_that_mean_the_same(answer: str, normal: str) -> None:
    assert normalise(answer) == normal


def test_a_number_read_from_json_is_an_answer() -> None:
    assert normalise(4) == "4"  # type: ignore[arg-type]  # the official files hold bare numbers


def test_scores_of_each_pair() -> None:
    predicted = ["left lung", "lung", "left left left", "", "", "effusion"]
    truth = ["left lung", "left lung", "left lung", "", "yes", ""]
    assert exact_match(predicted, truth).tolist() == [1, 0, 0, 1, 0, 0]
    assert token_f1(predicted, truth).tolist() == pytest.approx([1, 2 / 3, 2 / 5, 1, 0, 0])
    assert bleu_1(predicted, truth).tolist() == pytest.approx([1, math.exp(-1), 1 / 3, 1, 0, 0])


def test_scripts_without_blanks_are_scored_by_the_character() -> None:
    predicted, truth = ["左肺", "CT检查", "肺,心脏", "右"], ["肺", "MRI检查", "心脏 肺", "左"]
    assert token_f1(predicted, truth).tolist() == pytest.approx([2 / 3, 2 / 3, 2 * 3 / 7, 0])
    assert bleu_1(predicted, truth).tolist() == pytest.approx([1 / 2, 2 / 3, 3 / 4, 0])


def test_no_answers_give_no_scores() -> None:
    assert exact_match([], []).shape == token_f1([], []).shape == bleu_1([], []).shape == (0,)


def test_lists_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        exact_match(["yes"], [])


def test_the_answer_spaces_and_ceilings_of_vqa_rad(shared: Path) -> None:
    train: Rows = json.loads((shared / "data/vqa-rad/trainset.json").read_text())
    test: Rows = json.loads((shared / "data/vqa-rad/testset.json").read_text())
    # Two rows say 'CLOSED ' with a blank: the published lists compare exactly and take them as open.
    closed, open_ = (
        _answers(train, "CLOSED"),
        {normalise(row["answer"]) for row in train if row["answer_type"] != "CLOSED"},
    )
    assert (len(closed), len(open_), len(closed | open_), len(closed & open_)) == (56, 431, 458, 29)
    assert _within(test, "CLOSED", closed) == (261, 272)
    assert _within(test, "OPEN", open_) == (142, 179)
    assert sum(_within(test, kind, space)[0] for kind, space in (("CLOSED", closed), ("OPEN", open_))) == 403


def test_the_answer_spaces_and_ceilings_of_slake(shared: Path) -> None:
    with gzip.open(shared / "data/slake/train.json.gz") as file:
        train = [row for row in json.load(file) if row["q_lang"] == "en"]
    test = [row for row in json.loads((shared / "data/slake/test.json").read_text()) if row["q_lang"] == "en"]
    spaces = [_answers([*train, *test], kind, collapse) for kind in ("CLOSED", "OPEN")]
    assert [len(space) for space in spaces] == [35, 225]
    spaces = [_answers(train, kind, collapse) for kind in ("CLOSED", "OPEN")]
    assert [len(space) for space in spaces] == [33, 223]
    folded = [{answer.lower() for answer in space} for space in spaces]
    assert _within(test, "CLOSED", folded[0], _folded) == (413, 416)
    assert _within(test, "OPEN", folded[1], _folded) == (643, 645)


def _folded(answer: str) -> str:
    return collapse(answer).lower()


def _answers(rows: Sequence[dict[str, Any]], kind: str, spelling: Callable[[str], str] = normalise) -> set[str]:
    return {spelling(row["answer"]) for row in rows if row["answer_type"] == kind}


def _within(
    rows: Sequence[dict[str, Any]], kind: str, space: set[str], spelling: Callable[[str], str] = normalise
) -> tuple[int, int]:
    asked = [row for row in rows if row["answer_type"].strip() == kind]
    return sum(spelling(row["answer"]) in space for row in asked), len(asked)
