"""MOTOR as capabilities: BLIP's, over studies of one or two views, with its own nets to fine-tune.

Source: MOTOR release (2023-04-24). Its downstream scripts all use the plain image encoder; `MotorKnowledgeable` alone does not.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from medbench.errors import UsageError
from medbench_methods.nets.blip_model import BlipCaptioner, BlipMatcher, BlipModel, BlipPretrained
from medbench_methods.nets.blip_net import BlipNet
from medbench_methods.nets.blip_writing import BlipReportNet, write
from medbench_methods.nets.motor_answers import AnswerLists, folded, is_closed
from medbench_methods.nets.motor_flavour import MOTOR
from medbench_methods.nets.motor_net import VIEWS, StudyNet
from medbench_methods.nets.motor_vqa import MotorQuestionNet, make_question_net

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from medbench.capabilities import Preprocess
    from medbench_methods.nets.blip_texts import BlipTexts


class MotorPretrained(BlipPretrained):
    """What pre-training leaves, without its knowledge; `ReportLearner` and `QuestionLearner` besides BLIP's capabilities."""

    def report_net(self, views: int, seed: int) -> MotorReportNet:
        """As `report_net_of`; the knowledge branches, where this model has them, stay behind as in the release."""
        return report_net_of(self, views, seed)

    def question_net(
        self,
        closed: int,
        open: int,
        seed: int,
        *,
        open_branch: Literal["copied", "drawn"] = "copied",
        mask_padding: bool = True,
    ) -> MotorQuestionNet:
        """The two-head classifier of questions, as `motor_vqa.make_question_net`."""
        return make_question_net(
            self.net.vision_model,
            self.net.text_encoder,
            self._read,
            closed=closed,
            open=open,
            seed=seed,
            open_branch=open_branch,
            mask_padding=mask_padding,
        )


class MotorKnowledgeable(MotorPretrained):
    """The same over a `KnowledgeNet`: features, matches and reports see the image as pre-training did, knowledge and all."""


class _ReadsStudies(BlipModel):
    """Features over a `StudyNet`: the image encoder's own, whatever a study makes of them."""

    net: StudyNet

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, embed_dim): [CLS] of the image encoder, raw."""
        return self.net.view_tokens(images)[:, 0]

    def encode_pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> one map (B, embed_dim, H / 16, W / 16) of the image encoder."""
        height, width = (side // self.strides[0] for side in images.shape[-2:])
        return (self.net.view_tokens(images)[:, 1:].transpose(1, 2).unflatten(2, (height, width)),)


class MotorRetriever(_ReadsStudies, BlipMatcher):
    """Fine-tuned for retrieval, over a `StudyNet`."""

    def project_images(self, features: Tensor) -> Tensor:
        """(B, embed_dim) -> (B, joint_dim), not normalised; an image alone stands for both views."""
        fused = features if self.net.iu_proj is None else self.net.iu_proj(torch.cat([features] * VIEWS, dim=-1))
        return super().project_images(fused)


class MotorStudyRetriever(MotorRetriever):
    """Fine-tuned on studies of two views: `StudyEncoder` besides."""

    def study_tokens(self, images: Tensor) -> Tensor:
        """(B, 2, 3, H, W) -> (B, T, C), what `match` reads; the fused [CLS] first."""
        return self.net.study_tokens(images)

    def project_studies(self, features: Tensor) -> Tensor:
        """(B, C), the fused [CLS] -> (B, joint_dim), not normalised."""
        projected: Tensor = self.net.vision_proj(features)
        return projected


class MotorReporter(_ReadsStudies, BlipCaptioner):
    """Fine-tuned for reports, over a `StudyNet`."""

    @property
    def views(self) -> int:  # type: ignore[override]
        """How many images of a study it reads."""
        return self.net.views

    def generate(self, images: Tensor, *, beams: int, min_length: int, max_length: int) -> list[str]:
        """(B, views, 3, H, W) -> B texts after the prompt; lengths count the prompt's four tokens."""
        return write(self.net, self.net.study_tokens(images), self.texts, beams, min_length, max_length)

    def report_net(self, views: int, seed: int) -> MotorReportNet:
        """As `report_net_of`."""
        return report_net_of(self, views, seed)


class MotorAnswerer(BlipModel):
    """Fine-tuned on questions: `QuestionAnswerer` over the lists of answers that its two heads were trained with.

    ``read_answers`` gives the lists, called at the first question.
    """

    def __init__(self, questions: MotorQuestionNet, read_answers: Callable[[], AnswerLists]) -> None:
        super().__init__(BlipNet(questions.vision_model), MOTOR, questions.read)
        self.questions = questions
        self._read_answers = read_answers

    @cached_property
    def answers(self) -> AnswerLists:
        """The answers of both heads. Raises `MissingCheckpointError` without them, `CheckpointError` where they do not fit."""
        return self._read_answers()

    def encode_questions(self, images: Tensor, questions: list[str], is_closed: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of both heads where the caller knows each question's type, as the release does (`QuestionNet`).

        Questions of as many tokens are asked together, so that none is padded and a logit does not depend on the batch. The
        release pads each batch to its longest question, and these weights were trained to read that padding (`TypeAttention`).
        """
        tokens = self.questions.vision_model(images).last_hidden_state
        is_closed = is_closed.to(tokens.device)
        asked = [rows.to(tokens.device) for rows in self.texts.questions(questions).rows_by_length().values()]
        logits = [self.questions.ask(tokens[rows], [questions[row] for row in rows], is_closed[rows]) for rows in asked]
        order = torch.cat(asked)
        closed, open_ = (
            torch.cat(parts)[order[kind[order]].argsort()]
            for parts, kind in zip(zip(*logits, strict=True), (is_closed, ~is_closed), strict=True)
        )
        return closed, open_

    def answer(self, images: Tensor, questions: list[str], answers: list[str] | None = None) -> list[str]:
        """(B, 3, 128, 128) and B questions -> the likeliest answer of the head that fits each question's form.

        The form is `motor_answers.is_closed`'s; a head that knows none of ``answers`` is not asked. Wordings are compared as
        `motor_answers.folded`. Raises `UsageError` where neither head knows any of ``answers``, else as `answers`.
        """
        closed, open_ = (_allowed(known, answers) for known in self.answers)
        if not closed and not open_:
            raise UsageError(
                "none of the given answers is among those that this checkpoint was trained to give",
                fix="let it choose from its own lists",
            )
        asked_closed = torch.tensor([bool(closed) and (not open_ or is_closed(question)) for question in questions])
        logits = self.encode_questions(images, questions, asked_closed)
        found = [
            iter([words[best] for best in _best(part, words)])
            for part, words in zip(logits, (closed, open_), strict=True)
        ]
        return [next(found[0 if is_one else 1]) for is_one in asked_closed.tolist()]


class MotorReportNet(BlipReportNet):
    """The net that is fine-tuned on reports: image encoder, decoder, and ``iu_proj`` where a study has two views."""

    net: StudyNet

    def __init__(self, net: StudyNet, texts: BlipTexts, preprocess: Preprocess) -> None:
        super().__init__(net, texts, preprocess)
        self.views = net.views

    def image_states(self, images: Tensor) -> Tensor:
        """(B, views, 3, H, W) -> (B, N, C)."""
        return self.net.study_tokens(images)


def report_net_of(model: BlipModel, views: int, seed: int) -> MotorReportNet:
    """A copy to train on studies of ``views`` images; ``iu_proj``, where it is new, is drawn from ``seed``.

    Raises `UsageError` for other than one or two views.
    """
    if views not in (1, VIEWS):
        raise UsageError(f"MOTOR reads one or two images a study, not {views}", fix=f"set views to 1 or {VIEWS}")
    net = BlipNet(deepcopy(model.net.vision_model))
    net.text_decoder = deepcopy(model.net.text_decoder)
    iu_proj = None
    if views == VIEWS:
        own = getattr(model.net, "iu_proj", None)
        iu_proj = deepcopy(own) if own is not None else _drawn(model.embed_dim, seed)
    return MotorReportNet(StudyNet(net, iu_proj), model.texts, model.preprocess)


def _drawn(width: int, seed: int) -> nn.Linear:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Linear(VIEWS * width, width)


def _allowed(known: tuple[str, ...], answers: list[str] | None) -> dict[int, str]:
    """Class -> the answer as the caller writes it, for the classes that are asked for."""
    if answers is None:
        return dict(enumerate(known))
    written = {folded(answer): answer for answer in reversed(answers)}
    return {index: written[folded(answer)] for index, answer in enumerate(known) if folded(answer) in written}


def _best(logits: Tensor, allowed: dict[int, str]) -> list[int]:
    """(B, classes) -> the class with the largest logit among those allowed."""
    classes = list(allowed)
    return [classes[index] for index in logits[:, classes].argmax(dim=1).tolist()] if len(logits) else []
