"""Visual question answering from end to end on coloured blobs: the fusion head, answerers and MOTOR's two heads."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from vqa_toys import (
    FUSION,
    WHAT,
    WHERE,
    TinyAnswerer,
    TinyEyes,
    TinyLearner,
    blob_questions,
    blob_sample,
    context_of,
    draw_blob,
    manifest_of,
)

from medbench.capabilities import QuestionAnswerer, QuestionLearner
from medbench.errors import MissingDataError, UsageError
from medbench.protocols import Analysis, TrialContext, TrialOutcome
from medbench.specs import Recipe
from medbench_tasks.vqa.predictions import SCHEMA
from medbench_tasks.vqa.protocol import PROTOCOL
from medbench_tasks.vqa.recipe import MOTOR_VQA

if TYPE_CHECKING:
    from pathlib import Path

MOTOR = replace(MOTOR_VQA, epochs=30, patience=30, batch_size=8, lr=0.05)
BRIEF = replace(FUSION, epochs=1, question_only=False)


def value_of(context: TrialContext, table: pa.Table, metric: str) -> float | None:
    return PROTOCOL.score(context.task, context.recipe, table)[metric].value


@pytest.fixture(scope="module")
def fusion(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrialContext, TrialOutcome]:
    context = context_of(tmp_path_factory.mktemp("fusion"))
    return context, PROTOCOL.run(context)


def test_the_fusion_head_learns_what_the_question_alone_does_not_tell(
    fusion: tuple[TrialContext, TrialOutcome],
) -> None:
    context, outcome = fusion
    seen = value_of(context, outcome.predictions, "accuracy")
    blind = value_of(context, outcome.floors["question-only"], "accuracy")
    assert seen is not None and blind is not None
    assert seen > 0.9
    assert blind < 0.7


def test_floors_ceilings_and_notes_stand_beside_the_answers(fusion: tuple[TrialContext, TrialOutcome]) -> None:
    context, outcome = fusion
    assert set(outcome.floors) == {"majority-answer", "majority-by-type", "question-only"}
    assert value_of(context, outcome.ceilings["answer-space"], "accuracy") == 1.0
    by_type = value_of(context, outcome.floors["majority-by-type"], "accuracy")
    assert by_type is not None
    assert by_type > (value_of(context, outcome.floors["majority-answer"], "accuracy") or 0)
    assert outcome.notes["answers"] == 5
    assert outcome.notes["held_out_questions"] == 8, "a tenth of 40 images, two questions each"
    assert outcome.notes["train_questions"] == 72
    for table in (outcome.predictions, *outcome.floors.values(), *outcome.ceilings.values()):
        assert table.schema == SCHEMA


def test_analysis_is_offered_by_question_type(fusion: tuple[TrialContext, TrialOutcome]) -> None:
    context, outcome = fusion
    assert isinstance(PROTOCOL, Analysis)
    groups = PROTOCOL.groups(context.task, context.recipe, outcome.predictions)
    assert {(one.grouping, one.group) for one in groups} == {("question_type", "COLOR"), ("question_type", "POS")}
    replicates = PROTOCOL.replicates(context.task, context.recipe, outcome.predictions)
    assert set(replicates) == {metric.name for metric in context.task.metrics}
    bins = PROTOCOL.reliability(context.task, context.recipe, outcome.predictions)
    assert sum(one.n for one in bins) == 40


def test_the_same_seed_gives_the_same_answers_and_the_floor_is_the_same_for_every_method(
    fusion: tuple[TrialContext, TrialOutcome], tmp_path: Path
) -> None:
    class OtherEyes(TinyEyes):
        def encode_pyramid(self, images):  # type: ignore[no-untyped-def]
            return (super().encode_pyramid(images)[0][:, :4, 1:],)

    _, first = fusion
    again = PROTOCOL.run(context_of(tmp_path / "again"))
    other = PROTOCOL.run(context_of(tmp_path / "other", model=OtherEyes()))
    assert again.predictions.equals(first.predictions)
    assert other.floors["question-only"].equals(first.floors["question-only"])
    assert not other.predictions.equals(first.predictions)


def test_the_method_ranks_the_answers_of_training_or_writes_its_own(tmp_path: Path) -> None:
    model = TinyAnswerer()
    assert isinstance(model, QuestionAnswerer)
    ranked = context_of(tmp_path / "rank", replace(FUSION, question_only=False), model=model)
    outcome = PROTOCOL.run(ranked)
    assert value_of(ranked, outcome.predictions, "open-accuracy") == 1.0
    assert model.offered[0] == ["blue", "green", "no", "red", "yes"]
    assert PROTOCOL.reliability(ranked.task, ranked.recipe, outcome.predictions) == []
    written = context_of(tmp_path / "write", replace(ranked.recipe, inference="generate"), model=model)
    outcome = PROTOCOL.run(written)
    assert value_of(written, outcome.predictions, "open-accuracy") == 1.0, "'The RED.' is 'red' once normalised"
    assert value_of(written, outcome.predictions, "closed-accuracy") == 0.0
    assert model.offered[-1] is None
    assert not outcome.ceilings, "anything can be written"


def test_the_recipe_fusion_trains_the_head_on_methods_that_answer_too(tmp_path: Path) -> None:
    model = TinyAnswerer()
    outcome = PROTOCOL.run(context_of(tmp_path, replace(BRIEF, way="fusion"), model=model))
    assert not model.offered
    assert outcome.notes["epochs"] == 1


def test_the_floor_without_images_is_trained_once_and_again_in_doubt(tmp_path: Path) -> None:
    brief = replace(BRIEF, question_only=True)
    first, second = (PROTOCOL.run(context_of(tmp_path, brief, model=model)) for model in (TinyEyes(), TinyAnswerer()))
    assert [one.notes["question_only_kept"] for one in (first, second)] == [0, 1]
    assert second.floors["question-only"].equals(first.floors["question-only"])
    (kept,) = (tmp_path / "floors").iterdir()
    for changed in (context_of(tmp_path, brief, seed=2), context_of(tmp_path, replace(brief, lr=1e-4))):
        assert PROTOCOL.run(changed).notes["question_only_kept"] == 0
    data = kept.read_bytes()
    kept.write_bytes(data[:200] + b"#" + data[201:])
    shutil.rmtree(tmp_path / "work")
    mended = PROTOCOL.run(context_of(tmp_path, brief))
    assert mended.notes["question_only_kept"] == 0
    assert mended.floors["question-only"].equals(first.floors["question-only"])


def test_two_heads_learn_their_own_types(tmp_path: Path) -> None:
    learner = TinyLearner()
    assert isinstance(learner, QuestionLearner)
    context = context_of(tmp_path, MOTOR, model=learner)
    outcome = PROTOCOL.run(context)
    assert learner.asked_how == {"open_branch": "drawn", "mask_padding": False}, "as released"
    assert value_of(context, outcome.predictions, "accuracy") == 1.0
    assert (outcome.notes["closed_answers"], outcome.notes["open_answers"]) == (2, 3)
    assert "question-only" not in outcome.floors
    again = context_of(tmp_path / "again", MOTOR, model=TinyLearner())
    assert PROTOCOL.run(again).predictions.equals(outcome.predictions)


def test_two_heads_train_where_a_batch_or_the_whole_part_has_one_type_only(tmp_path: Path) -> None:
    both = blob_questions(tmp_path / "images", 12, 1)
    closed = both.take([row for row, texts in enumerate(both.texts) if texts == [WHERE]])
    context = context_of(tmp_path, MOTOR, model=TinyLearner(), train=closed, test=both)
    outcome = PROTOCOL.run(context)
    assert value_of(context, outcome.predictions, "closed-accuracy") == 1.0
    assert value_of(context, outcome.predictions, "open-accuracy") == 0.0
    assert value_of(context, outcome.ceilings["answer-space"], "accuracy") == 0.5


def test_a_method_without_what_the_recipe_asks_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no net of its own to fine-tune"):
        PROTOCOL.run(context_of(tmp_path / "a", MOTOR))

    class Mute:
        pass

    with pytest.raises(UsageError, match="no patch features"):
        PROTOCOL.run(context_of(tmp_path / "b", replace(BRIEF, way="fusion"), model=Mute()))


def test_odd_questions_are_answered_and_those_without_an_answer_count_as_wrong(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    for name in ("empty", "long", "foreign", "number", "mute"):
        draw_blob(folder / f"{name}.png", "red", left=True)
    odd = [
        blob_sample(folder, "empty", "", ("red",)),
        blob_sample(folder, "long", "why " * 5000, ("an answer that nobody gave in training",), answer_type="OPEN"),
        blob_sample(folder, "foreign", "¿De qué color es? 这是什么颜色", ("Red.",), answer_type="OPEN"),
        blob_sample(folder, "number", "How many blobs?", ("1", "one"), answer_type="CLOSED"),
        blob_sample(folder, "mute", WHAT, ()),
    ]
    context = context_of(tmp_path, BRIEF, test=manifest_of(folder, odd))
    outcome = PROTOCOL.run(context)
    assert outcome.predictions.num_rows == 5
    assert outcome.notes["questions_without_answer"] == 1
    assert outcome.notes["training_questions_without_answer"] == 0
    assert outcome.predictions.column("truth").to_pylist()[2:] == [["red"], ["1"], []]
    ceiling = PROTOCOL.score(context.task, context.recipe, outcome.ceilings["answer-space"])
    assert ceiling["accuracy"].value == 0.4, "three of the five cannot be answered from training"
    assert ceiling["open-accuracy"].value == 0.5


def test_training_leaves_out_what_has_no_answer_and_counts_it(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    both = blob_questions(folder, 12, 1)
    draw_blob(folder / "mute.png", "red", left=True)
    mute = manifest_of(folder, [blob_sample(folder, "mute", WHAT, ("  ",), answer_type="OPEN")])
    more = replace(both, table=pa.concat_tables([both.table, mute.table]))
    for recipe, model in ((BRIEF, TinyEyes()), (replace(MOTOR, epochs=1), TinyLearner())):
        context = context_of(tmp_path / recipe.way, recipe, model=model, train=more, valid=both, test=more)
        outcome = PROTOCOL.run(context)
        assert outcome.notes["train_questions"] == 24
        assert outcome.notes["training_questions_without_answer"] == 1
        assert outcome.predictions.num_rows == 25


def test_the_validation_part_is_used_where_there_is_one(tmp_path: Path) -> None:
    valid = blob_questions(tmp_path / "valid", 4, 3)
    outcome = PROTOCOL.run(
        context_of(tmp_path, BRIEF, train=blob_questions(tmp_path / "valid", 8, 4), valid=valid, test=valid)
    )
    assert outcome.notes["held_out_questions"] == 0
    assert outcome.notes["train_questions"] == 16


def test_a_part_without_questions_and_a_sample_of_two_texts_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    draw_blob(folder / "one.png", "red", left=True)
    mute = manifest_of(folder, [blob_sample(folder, "one", WHAT, ("",))])
    with pytest.raises(MissingDataError, match="training part of toy has no question"):
        PROTOCOL.run(context_of(tmp_path / "a", BRIEF, train=mute))
    with pytest.raises(MissingDataError, match="test part of toy has no question"):
        PROTOCOL.run(context_of(tmp_path / "c", BRIEF, test=mute))
    twice = manifest_of(folder, [replace(blob_sample(folder, "one", WHAT, ("red",)), texts=("a", "b"))])
    with pytest.raises(MissingDataError, match="has 2 texts"):
        PROTOCOL.run(context_of(tmp_path / "b", BRIEF, test=twice))


def test_an_answer_space_that_is_left_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lower the recipe's min_count"):
        PROTOCOL.run(context_of(tmp_path, replace(BRIEF, min_count=1000)))


def test_a_recipe_of_another_protocol_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gives Recipe, not a VqaRecipe"):
        PROTOCOL.run(replace(context_of(tmp_path), recipe=Recipe()))
