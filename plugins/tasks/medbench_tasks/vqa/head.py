"""Training the fusion head on some questions and answering others with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medbench_tasks.vqa.answered import Answered

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from medbench.mapped_rows import MappedRows
    from medbench.protocols import FeatureNeed, TrialContext
    from medbench_tasks.vqa.fusion import FusionItems
    from medbench_tasks.vqa.questions import Questions
    from medbench_tasks.vqa.recipe import VqaRecipe
    from medbench_tasks.vqa.space import AnswerSpace
    from medbench_tasks.vqa.words import Vocabulary


@dataclass(frozen=True, slots=True)
class Material:
    """Questions to train on, to choose the epoch by, and to answer, with the answers that can be given."""

    train: Questions
    valid: Questions
    test: Questions
    space: AnswerSpace


def fusion_answers(context: TrialContext, recipe: VqaRecipe, material: Material) -> Answered:
    """The answers of the head on the method's frozen patches. Raises `TrialError` where training fails."""
    return _answers(context, recipe, material, images=True)


def foreseen_patches(material: Material) -> Iterator[FeatureNeed]:
    """What `fusion_answers` asks of the image encoder."""
    from medbench_tasks.patches import patch_need

    for questions in (_trainable(material), material.valid, material.test):
        yield patch_need(questions.manifest.distinct()[0])


def question_only_answers(context: TrialContext, recipe: VqaRecipe, material: Material) -> Answered:
    """The answers of the same head without images: each is one patch of one channel that is always 0.

    The answers are thus the same for every method (trained with the same recipe, seed and questions), and cost a training,
    which is shorter than with images, since there is one patch to look at, and is done once a cache
    (`medbench_tasks.vqa.kept_floor`).
    """
    from medbench_tasks.vqa.kept_floor import kept_or_made

    def make() -> Answered:
        folder = context.work_dir / "question-only"
        folder.mkdir(parents=True, exist_ok=True)
        return _answers(replace(context, work_dir=folder), recipe, material, images=False)

    return kept_or_made(context, recipe, material, make)


def _answers(context: TrialContext, recipe: VqaRecipe, material: Material, *, images: bool) -> Answered:
    import torch

    from medbench_tasks.training import fit, predict, seed_everything, training_notes
    from medbench_tasks.vqa.fusion import FusionNet
    from medbench_tasks.vqa.validation import MONITOR, TargetAtBest
    from medbench_tasks.vqa.words import Vocabulary

    words = Vocabulary(material.train.texts)
    train, valid, test = (
        _items(context, recipe, part, material.space, words, images=images)
        for part in (_trainable(material), material.valid, material.test)
    )
    grid, channels = train[0]["inputs"][0].shape
    seed_everything(context.seed)
    model = FusionNet(recipe, vocabulary=len(words), answers=len(material.space), grid=grid, channels=channels)
    report = fit(
        model,
        train=train,
        valid=valid,
        metric=TargetAtBest(),
        monitor=MONITOR,
        rule="greater",
        scope="mmengine",
        context=context,
    )
    logits = torch.stack([output for _, output in predict(model, test, context)]).double()
    confidence, best = logits.softmax(dim=1).max(dim=1)
    return Answered(
        answers=[material.space.answers[place] for place in best.tolist()],
        confidence=confidence.tolist(),
        notes=training_notes(
            report, score="best_validation_accuracy", vocabulary=len(words), train_questions=len(train)
        ),
    )


def _trainable(material: Material) -> Questions:
    """The training questions that have a right answer in the space."""
    known = [
        row for row, truth in enumerate(material.train.truths) if any(one in material.space.places for one in truth)
    ]
    return material.train.take(known)


def _items(
    context: TrialContext,
    recipe: VqaRecipe,
    questions: Questions,
    space: AnswerSpace,
    words: Vocabulary,
    *,
    images: bool,
) -> FusionItems:
    from medbench_tasks.vqa.fusion import FusionItems

    patches, index = _patches(context, questions) if images else _no_patches(len(questions))
    return FusionItems(patches, index, words.encode(questions.texts, recipe.max_words), space.targets(questions.truths))


def _patches(context: TrialContext, questions: Questions) -> tuple[MappedRows, NDArray[np.int64]]:
    from medbench_tasks.patches import patch_features

    pictures, index = questions.manifest.distinct()
    return patch_features(context, pictures), index


def _no_patches(count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    import numpy as np

    return np.zeros((1, 1, 1), np.float32), np.zeros(count, np.int64)
