"""Methods that answer questions themselves: nothing is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.errors import TrialError
from medbench_tasks.vqa.answered import Answered
from medbench_tasks.vqa.questions import spelt

if TYPE_CHECKING:
    from medbench.capabilities import QuestionAnswerer
    from medbench.protocols import TrialContext
    from medbench_tasks.vqa.questions import Questions
    from medbench_tasks.vqa.space import AnswerSpace


def own_answers(context: TrialContext, test: Questions, space: AnswerSpace | None, batch: int) -> Answered:
    """The method's answers, ranked from ``space``, or written freely where it is None; ``batch`` questions at a time.

    Raises `TrialError` where it gives another number of answers, or one that it was not offered.
    """
    import torch

    model: QuestionAnswerer = context.model
    offered = None if space is None else list(space.answers)
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(context.compute.precision)
    answers: list[str] = []
    context.progress.phase("evaluate", len(test))
    for images in context.features.images(test.manifest, batch=batch):
        asked = list(test.texts[len(answers) : len(answers) + len(images)])
        with torch.inference_mode(), torch.autocast(context.compute.device, dtype=half, enabled=half is not None):
            given = model.answer(images, asked, offered)
        _check(context, asked, given, space)
        answers += map(spelt, given)
        context.progress.advance(len(images))
    return Answered(answers)


def _check(context: TrialContext, asked: list[str], given: list[str], space: AnswerSpace | None) -> None:
    method = context.features.identity.label
    if len(given) != len(asked):
        raise TrialError(f"{method} gives {len(given)} answers to {len(asked)} questions")
    if space is not None and (foreign := [one for one in given if one not in space.places]):
        raise TrialError(f"{method} answers '{foreign[0][:80]}', which is not among the answers that it was offered")
