"""Methods that answer questions themselves: nothing is trained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from medbench.errors import TrialError
from medbench_tasks.kept_answers import KeptAnswers, answerer_digest
from medbench_tasks.vqa.answered import Answered
from medbench_tasks.vqa.questions import spelt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from medbench.protocols import TrialContext
    from medbench_tasks.vqa.questions import Questions


def own_answers(context: TrialContext, test: Questions, offered: Sequence[str] | None, batch: int) -> Answered:
    """The method's answers, ranked from ``offered``, or written freely where it is None; ``batch`` questions at a time.

    ``offered`` are in the dataset's own wording (`medbench_tasks.vqa.space.wordings`), which methods were trained on; what
    comes back is compared as `spelt`. What is answered is kept in the trial's ``work_dir``, so that a second start of the same
    model goes on from there. Raises `TrialError` where the method gives another number of answers, or one that it was not
    offered, `ImageError` for a bad image, and `StoreError` for a full disk.
    """
    asked = json.dumps(offered).encode()
    kept = KeptAnswers(context.work_dir / f"answers-{answerer_digest(context, asked)}.jsonl")
    left = test.take([row for row, one in enumerate(test.manifest.sample_ids) if one not in kept.answers])
    known = None if offered is None else {spelt(one) for one in offered}
    context.progress.phase("evaluate", len(test))
    context.progress.advance(len(test) - len(left))
    for images, rows in _batches(context, left, batch):
        questions = [left.texts[row] for row in rows]
        given = _answer(context, images, questions, offered)
        _check(context, questions, given, known)
        kept.add(dict(zip([left.manifest.sample_ids[row] for row in rows], given, strict=True)))
        context.progress.advance(len(rows))
    return Answered([spelt(kept.answers[one]) for one in test.manifest.sample_ids])


def _batches(context: TrialContext, questions: Questions, size: int) -> Iterator[tuple[Tensor, list[int]]]:
    """Images (B, 3, S, S) and the rows of the B questions about them; each picture is decoded once."""
    import numpy as np

    pictures, index = questions.manifest.distinct()
    first = 0
    for images in context.features.images(pictures, batch=size):
        rows = np.flatnonzero((index >= first) & (index < first + len(images))).tolist()
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            yield images[(index[part] - first).tolist()], part
        first += len(images)


def _answer(context: TrialContext, images: Tensor, questions: list[str], offered: Sequence[str] | None) -> list[str]:
    import torch

    from medbench_tasks.precision import autocast

    with torch.inference_mode(), autocast(context.compute):
        given: list[str] = context.model.answer(images, questions, None if offered is None else list(offered))
    return given


def _check(context: TrialContext, asked: list[str], given: list[str], known: set[str] | None) -> None:
    method = context.features.identity.label
    if len(given) != len(asked):
        raise TrialError(f"{method} gives {len(given)} answers to {len(asked)} questions")
    if known is not None and (foreign := [one for one in given if spelt(one) not in known]):
        raise TrialError(f"{method} answers '{foreign[0][:80]}', which is not among the answers that it was offered")
