"""MOTOR's classification of questions: the method's own net with a head for closed and one for open ones, fine-tuned.

MOTOR (arXiv 2304.14204, release: vqa_api/train_slake.py): binary cross-entropy on each head, over its rows and classes, summed;
a question's true type chooses its head, in training and when answers are scored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import Dataset

from medbench_tasks.training import fit, predict, seed_everything, training_notes
from medbench_tasks.vqa.answered import Answered
from medbench_tasks.vqa.validation import MONITOR, TargetAtBest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medbench.capabilities import QuestionNet
    from medbench.mapped_rows import MappedRows
    from medbench.protocols import TrialContext
    from medbench_tasks.vqa.questions import Questions
    from medbench_tasks.vqa.recipe import VqaRecipe
    from medbench_tasks.vqa.space import AnswerSpace, TypedSpaces


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, its type, and the target (K,) over the answers of that type."""

    question: str
    is_closed: bool
    target: Tensor


def two_head_answers(
    context: TrialContext,
    recipe: VqaRecipe,
    spaces: TypedSpaces,
    *,
    train: Questions,
    valid: Questions,
    test: Questions,
) -> Answered:
    """Fine-tune on ``train``, choose the epoch on ``valid``, answer ``test``; a type without answers gets ''.

    The method has the form of a `QuestionLearner`. Raises `TrialError` where training fails.
    """
    net = _net_of(context, recipe, spaces)
    items = [_items(context, part, spaces, net) for part in (train, valid, test)]
    model = TwoHeads(net)
    report = fit(
        model,
        train=items[0],
        valid=items[1],
        metric=TargetAtBest(),
        monitor=MONITOR,
        rule="greater",
        scope="mmengine",
        context=context,
    )
    answers, confidence = [], []
    for index, logits in predict(model, items[2], context):
        space = spaces.of(test.is_closed[index])
        best = int(logits.argmax()) if len(space) else -1
        answers.append(space.answers[best] if len(space) else "")
        confidence.append(float(logits[best].double().sigmoid()) if len(space) else 0.0)
    notes = training_notes(report, score="best_validation_accuracy", train_questions=len(train))
    return Answered(answers, confidence, notes)


class TwoHeads(BaseModel):  # type: ignore[misc]
    """A `QuestionNet` under mmengine."""

    def __init__(self, net: QuestionNet) -> None:
        super().__init__(data_preprocessor=MoveAsked())
        self.net = cast("Any", net)

    def init_weights(self) -> None:
        """Nothing: mmengine would have pretrained weights drawn anew where a net knows how."""

    def forward(
        self, inputs: Tensor, data_samples: list[Asked], mode: str = "tensor"
    ) -> dict[str, Tensor] | list[Tensor] | tuple[Tensor, Tensor]:
        """Images (B, 3, S, S) and what is asked of them.

        ``loss`` gives the `two_head_loss`, ``predict`` a list of B logits over the answers of the question's type, on the CPU.
        """
        is_closed = torch.tensor([one.is_closed for one in data_samples], device=inputs.device)
        closed, open_ = self.net.encode_questions(inputs, [one.question for one in data_samples], is_closed)
        if mode == "loss":
            return {"loss": two_head_loss(closed.float(), open_.float(), data_samples)}
        if mode != "predict":
            return closed, open_
        of_type = {True: iter(closed.float().cpu()), False: iter(open_.float().cpu())}
        return [next(of_type[one.is_closed]) for one in data_samples]


def two_head_loss(closed: Tensor, open_: Tensor, asked: list[Asked]) -> Tensor:
    """The sum of each head's mean binary cross-entropy; a head without rows adds nothing."""
    loss = closed.new_zeros(())
    for logits, kind in ((closed, True), (open_, False)):
        targets = [one.target for one in asked if one.is_closed is kind]
        if targets:
            loss = loss + binary_cross_entropy_with_logits(logits, torch.stack(targets))
    return loss


class MoveAsked(BaseDataPreprocessor):  # type: ignore[misc]
    """A batch of `medbench_tasks.pyramid.collate` -> the same on the model's device."""

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """``inputs`` are images (B, 3, S, S), ``data_samples`` a list of `Asked`."""
        asked = [Asked(one.question, one.is_closed, one.target.to(self.device)) for one in data["data_samples"]]
        return {"inputs": data["inputs"].to(self.device, non_blocking=True).float(), "data_samples": asked}


class AskedItems(Dataset):  # type: ignore[type-arg]
    """Questions with their images: ``inputs`` (3, S, S), ``data_samples`` `Asked`."""

    def __init__(self, images: MappedRows, index: NDArray[np.int64], asked: list[Asked]) -> None:
        self._images = images
        self._index = index
        self._asked = asked

    def __len__(self) -> int:
        return len(self._asked)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {
            "inputs": torch.from_numpy(self._images[int(self._index[index])]),
            "data_samples": self._asked[index],
        }


def _net_of(context: TrialContext, recipe: VqaRecipe, spaces: TypedSpaces) -> QuestionNet:
    seed_everything(context.seed)
    net = context.model.question_net(
        max(1, len(spaces.closed)),
        max(1, len(spaces.open)),
        context.seed,
        open_branch=recipe.open_branch,
        mask_padding=recipe.mask_padding,
    )
    return cast("QuestionNet", cast("nn.Module", net).requires_grad_(True))


def _items(context: TrialContext, questions: Questions, spaces: TypedSpaces, net: QuestionNet) -> AskedItems:
    pictures, index = questions.manifest.distinct()
    images = context.features.mapped_rows(pictures, "pixels", lambda _, images: images, preprocess=net.preprocess)
    asked = [
        Asked(text, closed, _target(spaces.of(closed), truth))
        for text, closed, truth in zip(questions.texts, questions.is_closed, questions.truths, strict=True)
    ]
    return AskedItems(images, index, asked)


def _target(space: AnswerSpace, truth: tuple[str, ...]) -> Tensor:
    """(K,) 1 at each right answer; one 0 for a type without answers, whose head has a class all the same."""
    return torch.from_numpy(space.targets([truth])[0]) if len(space) else torch.zeros(1)
