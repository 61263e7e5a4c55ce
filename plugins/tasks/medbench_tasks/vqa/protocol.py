"""Visual question answering: questions about images, answered from what training shows that answers can be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from medbench.errors import MissingDataError, UsageError
from medbench.protocols import GroupValue, ReliabilityBin, TrialOutcome
from medbench_tasks.vqa.recipe import VqaRecipe

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from medbench.protocols import Example, FeatureNeed, TrialContext
    from medbench.records import MetricValue
    from medbench.specs import Recipe, TaskSpec
    from medbench_tasks.vqa.answered import Answered
    from medbench_tasks.vqa.head import Material
    from medbench_tasks.vqa.questions import Questions
    from medbench_tasks.vqa.space import AnswerSpace, TypedSpaces


class VisualQuestionAnswering:
    """`medbench.protocols.TaskProtocol`, `Analysis` and `Exhibits` for questions.

    A method needs `QuestionAnswerer` or `DenseImageEncoder`.

    An answer is right where it is the same as a true one after `medbench_tasks.vqa.questions.spelt`; a test question whose true
    answer cannot be given counts as wrong, and the ceiling ``answer-space`` says how many there are.
    """

    def run(self, context: TrialContext) -> TrialOutcome:
        """Answer ``context.test``; what is trained is trained on ``context.train`` and chosen on ``context.valid``.

        Where that is empty, it is chosen on training images that are held out. Questions whose true answer is empty are left
        out of training, and count as wrong in the test part, as they do in published rows; the notes count both. Raises
        `MissingDataError` where train or test has no question with an answer, `UsageError` where the method cannot do what the
        recipe asks, `TrialError` where training fails, and `ImageError` for a bad image.
        """
        from medbench_tasks.vqa.answered import Answered
        from medbench_tasks.vqa.baselines import majority_answers, majority_by_type_answers
        from medbench_tasks.vqa.head import question_only_answers
        from medbench_tasks.vqa.predictions import answer_table
        from medbench_tasks.vqa.space import best_answers

        recipe = _recipe_of(context.recipe, context.task)
        parts = _read(context, recipe)
        answered, spaces = _answer(context, recipe, parts)
        floors = {
            "majority-answer": Answered(majority_answers(parts.train, parts.test)),
            "majority-by-type": Answered(majority_by_type_answers(parts.train, parts.test)),
        }
        if recipe.question_only:
            floors["question-only"] = question_only_answers(context, recipe, _material(parts, recipe))
        ceilings = {} if spaces is None else {"answer-space": Answered(best_answers(parts.test, spaces))}
        return TrialOutcome(
            predictions=answer_table(parts.test, answered),
            floors={name: answer_table(parts.test, one) for name, one in floors.items()},
            ceilings={name: answer_table(parts.test, one) for name, one in ceilings.items()},
            notes=_notes(parts, answered, floors.get("question-only"), spaces),
        )

    def foreseen(self, context: TrialContext) -> Iterable[FeatureNeed]:
        """The patches that the fusion head looks at; of a method's own way to answer, nothing."""
        from medbench_tasks.vqa.head import foreseen_patches

        recipe = _recipe_of(context.recipe, context.task)
        if _way(context, recipe) != "fusion":
            return ()
        return foreseen_patches(_material(_read(context, recipe), recipe))

    def score(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> dict[str, MetricValue]:
        """The metrics of ``task`` by name, with intervals over patients."""
        from medbench_tasks.vqa.metrics import score_answers
        from medbench_tasks.vqa.predictions import read_answers

        return score_answers(read_answers(predictions), _names(task))

    def replicates(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Mapping[str, NDArray[np.float64]]:
        """Each metric's bootstrap replicates (`medbench.statistics.REPLICATES`,), NaN where undefined."""
        from medbench_tasks.vqa.metrics import replicate_answers
        from medbench_tasks.vqa.predictions import read_answers

        return replicate_answers(read_answers(predictions), _names(task))

    def groups(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[GroupValue]:
        """Each metric by question type, phrase type, language, sex, age and view, where the dataset has them."""
        from medbench_tasks.vqa.metrics import group_answers
        from medbench_tasks.vqa.predictions import read_answers

        return group_answers(read_answers(predictions), _names(task))

    def reliability(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[ReliabilityBin]:
        """How often an answer given with some confidence is right; empty for answerers, which give none."""
        from medbench_tasks.vqa.metrics import reliability_of
        from medbench_tasks.vqa.predictions import read_answers

        return reliability_of(read_answers(predictions))

    def examples(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table, count: int) -> Sequence[Example]:
        """Answers beside the true ones, as `medbench_tasks.vqa.exhibits` says."""
        from medbench_tasks.vqa.exhibits import show_answers

        return show_answers(predictions, count)


PROTOCOL = VisualQuestionAnswering()


@dataclass(frozen=True, slots=True)
class _Parts:
    """``train`` is all of it, and what the answer space is made of; a net is fitted to ``fit`` and chosen on ``valid``.

    ``held_out`` of the training questions are ``valid``; ``left_out`` of train and valid have no answer.
    """

    train: Questions
    fit: Questions
    valid: Questions
    test: Questions
    held_out: int
    left_out: int


def _recipe_of(recipe: Recipe, task: TaskSpec) -> VqaRecipe:
    if not isinstance(recipe, VqaRecipe):
        raise UsageError(f"task '{task.id}' gives {type(recipe).__name__}, not a VqaRecipe")
    return recipe


def _names(task: TaskSpec) -> list[str]:
    return [metric.name for metric in task.metrics]


def _read(context: TrialContext, recipe: VqaRecipe) -> _Parts:
    from medbench_tasks.vqa.questions import hold_out, read_questions

    train, valid = (read_questions(part).answered() for part in (context.train, context.valid))
    test = read_questions(context.test)
    for name, part in (("training", train), ("test", test)):
        if not any(part.truths):
            raise MissingDataError(f"the {name} part of {context.test.dataset} has no question with an answer")
    fit, chosen = (train, valid) if len(valid) else hold_out(train, recipe.holdout, context.seed)
    return _Parts(
        train=train,
        fit=fit,
        valid=chosen,
        test=test,
        held_out=0 if len(valid) else len(chosen),
        left_out=len(context.train) + len(context.valid) - len(train) - len(valid),
    )


def _check_net(context: TrialContext) -> None:
    """Raise `UsageError` where the method has no net to fine-tune, before what trains one is imported."""
    from medbench.capabilities import QuestionLearner

    if not isinstance(context.model, QuestionLearner):
        raise UsageError(
            f"{context.features.identity.label} has no net of its own to fine-tune on questions",
            fix="use the recipe 'standard' or 'fusion'",
        )


def _answer(
    context: TrialContext, recipe: VqaRecipe, parts: _Parts
) -> tuple[Answered, AnswerSpace | TypedSpaces | None]:
    """The method's answers, and the space that they are from; None where they are written freely."""
    from medbench_tasks.vqa.answerer import own_answers
    from medbench_tasks.vqa.head import fusion_answers
    from medbench_tasks.vqa.space import space_of, spaces_by_type, wordings

    way = _way(context, recipe)
    if way == "two-heads":
        _check_net(context)
        from medbench_tasks.vqa.two_heads import two_head_answers

        spaces = spaces_by_type(parts.train, recipe.min_count)
        answered = two_head_answers(context, recipe, spaces, train=parts.fit, valid=parts.valid, test=parts.test)
        return answered, spaces
    if way == "method":
        space = space_of(parts.train, recipe.min_count) if recipe.inference == "rank" else None
        offered = None if space is None else wordings(parts.train, space)
        return own_answers(context, parts.test, offered, recipe.batch_size), space
    material = _material(parts, recipe)
    return fusion_answers(context, recipe, material), material.space


def _way(context: TrialContext, recipe: VqaRecipe) -> Literal["two-heads", "method", "fusion"]:
    """Who answers. Raises `UsageError` where the method has no patches for the fusion head."""
    if recipe.way == "two-heads":
        return "two-heads"
    if recipe.way == "method" and "QuestionAnswerer" in context.features.capabilities:
        return "method"
    if "DenseImageEncoder" not in context.features.capabilities:
        raise UsageError(
            f"{context.features.identity.label} has no patch features for the fusion head", fix="use recipe 'standard'"
        )
    return "fusion"


def _material(parts: _Parts, recipe: VqaRecipe) -> Material:
    from medbench_tasks.vqa.head import Material
    from medbench_tasks.vqa.space import space_of

    return Material(parts.fit, parts.valid, parts.test, space_of(parts.train, recipe.min_count))


def _notes(
    parts: _Parts, answered: Answered, question_only: Answered | None, spaces: AnswerSpace | TypedSpaces | None
) -> dict[str, float]:
    from medbench_tasks.vqa.space import TypedSpaces

    notes = {
        "questions": float(len(parts.test)),
        "questions_without_answer": float(parts.test.truths.count(())),
        "training_questions_without_answer": float(parts.left_out),
        "held_out_questions": float(parts.held_out),
        **answered.notes,
    }
    if isinstance(spaces, TypedSpaces):
        notes |= {"closed_answers": float(len(spaces.closed)), "open_answers": float(len(spaces.open))}
    elif spaces is not None:
        notes["answers"] = float(len(spaces))
    if question_only is not None:
        notes["question_only_seconds"] = question_only.notes["train_seconds"]
        notes["question_only_kept"] = question_only.notes["kept"]
    return notes
