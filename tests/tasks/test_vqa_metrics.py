"""The answer space, the floors that look at nothing, the metrics and their table, on made-up and on real questions."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from vqa_toys import WHAT, blob_sample, manifest_of, task_of

from medbench.errors import MissingDataError, TrialError, UnknownNameError, UsageError
from medbench.manifest import Manifest
from medbench.samples import Sample
from medbench_methods.nets.motor_answers import folded
from medbench_tasks.texts.answers import collapse, normalise
from medbench_tasks.vqa.answered import Answered
from medbench_tasks.vqa.baselines import majority_answers, majority_by_type_answers
from medbench_tasks.vqa.metrics import group_answers, reliability_of, replicate_answers, score_answers
from medbench_tasks.vqa.predictions import answer_table, read_answers
from medbench_tasks.vqa.protocol import PROTOCOL
from medbench_tasks.vqa.questions import Questions, hold_out, read_questions, spelt
from medbench_tasks.vqa.recipe import FUSION_VQA, MOTOR_VQA, QUICK_VQA, STANDARD_VQA, VqaRecipe
from medbench_tasks.vqa.space import answer_space, best_answers, space_of, spaces_by_type, wordings
from medbench_tasks.vqa.validation import TargetAtBest
from medbench_tasks.vqa.words import START, UNKNOWN, Vocabulary, words_of

NAMES = ("accuracy", "closed-accuracy", "open-accuracy", "open-token-f1", "open-bleu-1")


def questions_of(*rows: tuple[str, str]) -> Questions:
    """A question for each (answer, type), of a patient of its own."""
    samples = [
        replace(blob_sample(Path(), f"s{number}", WHAT, (answer,), answer_type=kind), sample_id=str(number))
        for number, (answer, kind) in enumerate(rows)
    ]
    return read_questions(manifest_of(Path(), samples))


def scored(questions: Questions, answers: list[str], confidence: list[float] | None = None) -> dict[str, float | None]:
    table = answer_table(questions, Answered(answers, confidence))
    return {name: value.value for name, value in score_answers(read_answers(table), NAMES).items()}


def rad(shared: Path, name: str) -> Manifest:
    """VQA-RAD's questions as its files have them, without the images."""
    rows = json.loads((shared / "data" / "vqa-rad" / name).read_text(encoding="utf-8"))
    return manifest_of(Path(), [_sample(number, row, row["image_name"]) for number, row in enumerate(rows)])


def _sample(number: int, row: dict[str, Any], image: str) -> Sample:
    kind = row["answer_type"]
    details = {"answer_type": kind.strip(), "answer_type_as_released": kind}
    answers = (str(row["answer"]),)
    return Sample(
        sample_id=str(number), patient_id=image, image=image, texts=(row["question"],), answers=answers, details=details
    )


def test_the_published_ceilings_of_vqa_rad_follow_from_its_files(shared: Path) -> None:
    train, test = read_questions(rad(shared, "trainset.json")), read_questions(rad(shared, "testset.json"))
    spaces = spaces_by_type(train, 1)
    assert (len(spaces.closed), len(spaces.open)) == (56, 431)
    ceiling = score_answers(read_answers(answer_table(test, Answered(best_answers(test, spaces)))), NAMES)
    assert ceiling["open-accuracy"].value == pytest.approx(142 / 179, abs=1e-12)
    assert ceiling["closed-accuracy"].value == pytest.approx(261 / 272, abs=1e-12)
    assert ceiling["accuracy"].value == pytest.approx(403 / 451, abs=1e-12)
    space = space_of(train, 1)
    assert len(space) == 458
    assert scored(test, best_answers(test, space))["accuracy"] == pytest.approx(408 / 451, abs=1e-12)


def slake(shared: Path) -> list[Questions]:
    """SLAKE's English questions of train and test, without the images."""
    folder = shared / "data" / "slake"
    with gzip.open(folder / "train.json.gz", "rt", encoding="utf-8") as file:
        train = json.load(file)
    parts = [train, json.loads((folder / "test.json").read_text(encoding="utf-8"))]
    return [
        read_questions(
            manifest_of(
                Path(), [_sample(n, row, row["img_name"]) for n, row in enumerate(rows) if row["q_lang"] == "en"]
            )
        )
        for rows in parts
    ]


def test_motor_knows_every_answer_of_training_by_the_wording_that_is_offered(shared: Path) -> None:
    """Its lists are those of its release: of SLAKE as the files write the answers (one is empty), of VQA-RAD normalised."""
    of_rad = [read_questions(rad(shared, name)) for name in ("trainset.json", "testset.json")]
    for parts, own, counts in ((slake(shared), collapse, (257, 260)), (of_rad, normalise, (490, 526))):
        space = space_of(parts[0], 1)
        offered = wordings(parts[0], space)
        assert [spelt(one) for one in offered] == list(space.answers)
        classes = [
            {
                own(answer)
                for part in parts
                for (answer,), closed in zip(part.manifest.answers, part.is_closed, strict=True)
                if closed is kind
            }
            for kind in (True, False)
        ]
        known = [{one for one in kind if spelt(one) in space.places} for kind in classes]
        allowed = [{one for one in kind if folded(one) in set(map(folded, offered))} for kind in classes]
        assert allowed == known
        assert (sum(map(len, known)), sum(map(len, classes))) == counts


def test_the_commonest_wording_is_offered_and_of_equals_the_first() -> None:
    train = questions_of(("Left  lung", ""), ("left Lung", ""), ("left Lung", ""), ("X-ray", ""), ("X ray", ""))
    assert wordings(train, space_of(train, 1)) == ["left Lung", "X ray"]


def test_the_train_only_ceilings_of_slake_english_follow_from_its_files(shared: Path) -> None:
    questions = slake(shared)
    ceiling = scored(questions[1], best_answers(questions[1], spaces_by_type(questions[0], 1)))
    assert ceiling["closed-accuracy"] == pytest.approx(413 / 416, abs=1e-12)
    assert ceiling["open-accuracy"] == pytest.approx(643 / 645, abs=1e-12)


def test_the_release_scores_the_target_at_the_best_answer(shared: Path) -> None:
    golden = np.load(shared / "golden" / "metrics-blip" / "golden.npz")
    printed = json.loads((shared / "golden" / "metrics-blip" / "golden.json").read_text())["results"]["vqa"]
    kinds, labels = golden["vqa_type"], torch.from_numpy(golden["vqa_labels"])
    logits = {0: torch.from_numpy(golden["vqa_logits_close"]), 1: torch.from_numpy(golden["vqa_logits_open"])}
    targets = {0: labels[:, :7], 1: labels[:, 7:]}

    def score(rows: Any) -> float:
        metric = TargetAtBest()
        metric.process(
            {"data_samples": [targets[kinds[row]][row] for row in rows]}, [logits[kinds[row]][row] for row in rows]
        )
        return 100 * metric.compute_metrics(metric.results)["accuracy"]

    assert score(range(12)) == pytest.approx(printed["score"], rel=1e-6)
    line = f"Open_ACC:{score(np.flatnonzero(kinds == 1)):.4f}, Close_ACC:{score(np.flatnonzero(kinds == 0)):.4f}"
    assert line == "Open_ACC:75.7143, Close_ACC:60.0000", printed["log"]


def test_metrics_are_over_their_own_type_and_an_unknown_type_counts_overall() -> None:
    questions = questions_of(("Yes", "CLOSED"), ("no", "closed "), ("the left lung", "OPEN"), ("red", ""))
    values = scored(questions, ["yes", "yes", "right lung", "red"])
    assert values["accuracy"] == 0.5
    assert values["closed-accuracy"] == 0.5
    assert values["open-accuracy"] == 0.0
    assert values["open-token-f1"] == values["open-bleu-1"] == 0.5


def test_any_right_answer_will_do_and_a_type_that_is_not_there_has_no_value() -> None:
    sample = blob_sample(Path(), "a", WHAT, ("A cat", "two dogs", "!"), answer_type="CLOSED")
    questions = read_questions(manifest_of(Path(), [sample]))
    assert questions.truths == (("cat", "2 dogs", "!"),)
    table = answer_table(questions, Answered(["2 dogs"]))
    values = score_answers(read_answers(table), NAMES)
    assert values["accuracy"].value == 1.0
    assert values["open-accuracy"].value is None
    assert values["open-accuracy"].note == "no question is open"


def test_answers_that_are_numbers_or_articles_are_kept() -> None:
    assert [spelt(answer) for answer in ("1", "One", "The", " ", "")] == ["1", "1", "the", "", ""]


def test_intervals_are_over_patients_and_replicates_pair() -> None:
    questions = questions_of(*[("yes", "CLOSED")] * 30, *[("red", "OPEN")] * 30)
    answers = ["yes"] * 40 + ["red"] * 20
    table = answer_table(questions, Answered(answers))
    value = score_answers(read_answers(table), NAMES)["accuracy"]
    assert value.value == pytest.approx(5 / 6)
    assert value.low is not None and value.high is not None and value.low < 5 / 6 < value.high
    replicates = replicate_answers(read_answers(table), NAMES)["accuracy"]
    assert np.quantile(replicates, 0.025) == value.low
    one = questions.take([0])
    lonely = score_answers(read_answers(answer_table(one, Answered(["yes"]))), NAMES)["accuracy"]
    assert (lonely.value, lonely.low, lonely.high, lonely.n) == (1.0, 1.0, 1.0, 1)


def test_groups_of_few_questions_get_a_note() -> None:
    samples = [
        blob_sample(Path(), f"s{number}", WHAT, ("red",), answer_type="OPEN", question_type=kind, language="en")
        for number, kind in enumerate(["COLOR"] * 12 + ["POS"] * 3)
    ]
    questions = read_questions(manifest_of(Path(), samples))
    groups = group_answers(read_answers(answer_table(questions, Answered(["red"] * 15))), ["open-accuracy"])
    found = {(one.grouping, one.group): one.value for one in groups}
    assert set(found) == {("question_type", "COLOR"), ("question_type", "POS"), ("language", "en")}
    assert found["question_type", "COLOR"].value == 1.0
    assert found["question_type", "POS"].value is None
    assert found["question_type", "POS"].note == "fewer than 10 samples"


def test_reliability_sets_confidence_against_how_often_it_was_right() -> None:
    questions = questions_of(*[("yes", "CLOSED")] * 4)
    table = answer_table(questions, Answered(["yes", "yes", "no", "no"], [0.99, 0.97, 0.99, 0.01]))
    first, last = reliability_of(read_answers(table))
    assert (first.n, first.frequency) == (1, 0.0)
    assert (last.n, last.frequency) == (3, pytest.approx(2 / 3))
    assert last.confidence == pytest.approx((0.99 + 0.97 + 0.99) / 3)


def test_floors_give_the_most_frequent_answer_and_ties_go_by_the_alphabet() -> None:
    train = questions_of(("yes", "CLOSED"), ("no", "CLOSED"), ("red", "OPEN"), ("red", "OPEN"))
    test = questions_of(("no", "CLOSED"), ("red", "OPEN"), ("red", ""))
    assert majority_answers(train, test) == ["red", "red", "red"]
    assert majority_by_type_answers(train, test) == ["no", "red", "red"]


def test_a_misspelt_type_routes_as_the_release_has_it_and_is_scored_as_meant() -> None:
    sample = blob_sample(Path(), "a", WHAT, ("yes",), answer_type="CLOSED", answer_type_as_released="CLOSED ")
    questions = read_questions(manifest_of(Path(), [sample]))
    assert questions.types == ("CLOSED",)
    assert questions.is_closed == [False]


def test_the_ceiling_shares_words_where_the_answer_cannot_be_given() -> None:
    space = answer_space([("left lung",), ("heart",), ("rare",), ("left lung",), ("heart",)], 2)
    assert space.answers == ("heart", "left lung")
    assert space.nearest(("upper left lung",)) == "left lung"
    assert space.nearest(("unheard of", "heart")) == "heart"
    assert answer_space([], 1).nearest(("heart",)) == ""
    assert space.nearest(()) == "", "a question without a true answer cannot be answered"


def test_a_held_out_part_shares_no_image_with_the_rest() -> None:
    samples = [blob_sample(Path(), f"s{number % 10}", f"{number} {WHAT}", ("red",)) for number in range(30)]
    questions = read_questions(manifest_of(Path(), samples))
    rest, held = hold_out(questions, 0.2, seed=0)
    assert (len(rest), len(held)) == (24, 6)
    assert not set(rest.manifest.patient_ids) & set(held.manifest.patient_ids)
    assert hold_out(questions, 0.2, seed=0)[1].texts == held.texts
    assert hold_out(questions, 0.2, seed=1)[1].texts != held.texts
    single = questions.take([0, 10, 20])
    assert hold_out(single, 0.2, seed=0) == (single, single), "one image cannot be divided"


def test_words_are_runs_of_letters_and_characters_of_scripts_without_blanks() -> None:
    assert words_of("Is it T2-weighted? 这是什么") == ["is", "it", "t2", "weighted", "这", "是", "什", "么"]
    words = Vocabulary(["where is it", "where is that", "why"])
    assert len(words) == 5, "three tokens of its own, 'is' and 'where'"
    tokens = words.encode(["", "where is why", "is " * 5000], 35)
    assert tokens.shape == (3, 36)
    assert tokens[0].tolist() == [START] + [0] * 35
    assert tokens[1, :4].tolist() == [START, 4, 3, UNKNOWN]


def test_recipes_refuse_what_has_no_meaning() -> None:
    for change, message in (
        ({"image_size": 224}, "image_size has no meaning"),
        ({"freeze_encoder": False}, "freeze_encoder has no meaning"),
        ({"width": 30}, "width cannot be 30 with 4 heads"),
        ({"holdout": 1.0}, "shares of 1"),
        ({"dropout": 1.0}, "shares of 1"),
        ({"way": "oracle"}, "way cannot be 'oracle'"),
    ):
        with pytest.raises(UsageError, match=message):
            replace(STANDARD_VQA, **change)
    assert {one.way for one in (STANDARD_VQA, QUICK_VQA, FUSION_VQA, MOTOR_VQA)} == {"method", "fusion", "two-heads"}


def test_empty_tables_foreign_recipes_and_unknown_metrics_are_refused() -> None:
    questions = questions_of(("yes", "CLOSED"))
    table = answer_table(questions, Answered(["yes"]))
    with pytest.raises(TrialError, match="no prediction"):
        read_answers(table.slice(0, 0))
    with pytest.raises(UnknownNameError):
        score_answers(read_answers(table), ["auroc"])
    with pytest.raises(MissingDataError, match="no question with an answer"):
        space_of(questions.take([]), 1)
    task = task_of({"standard": VqaRecipe()})
    assert set(PROTOCOL.score(task, task.recipe("standard"), table)) == set(NAMES)
