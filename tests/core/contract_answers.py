"""Methods that answer, and break the contract each in one way, for the tests of the checks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medbench.capabilities import LoadRequest, TokenMap
from medbench.errors import UsageError
from medbench.specs import MethodSpec, MethodVariant
from medbench.testing.stand_in import load as load_stand_in

KNOWN = {"pneumonia", "effusion"}


class Answers(nn.Module):
    """The stand-in of the checks, with findings that it does not know: keeps the contract."""

    views = 1
    joint_dim = embed_dim = 8

    def __init__(self) -> None:
        super().__init__()
        self.inner = load_stand_in(LoadRequest(variant="drawn", checkpoint=None))
        self.preprocess = self.inner.preprocess

    def image_tokens(self, images: Tensor) -> Tensor:
        return self.inner.image_tokens(images)

    def match(self, tokens: Tensor, texts: list[str]) -> Tensor:
        return self.inner.match(tokens, texts)

    def study_tokens(self, images: Tensor) -> Tensor:
        return self.inner.study_tokens(images)

    def project_studies(self, features: Tensor) -> Tensor:
        return features

    def classify(self, images: Tensor, findings: list[str]) -> Tensor:
        self.know(findings)
        return self.inner.classify(images, findings)

    def ground(self, images: Tensor, findings: list[str]) -> Tensor:
        self.know(findings)
        return self.inner.ground(images, findings)

    def generate(self, images: Tensor, *, beams: int, min_length: int, max_length: int) -> list[str]:
        return self.inner.generate(images, beams=beams, min_length=min_length, max_length=max_length)

    def answer(self, images: Tensor, questions: list[str], answers: list[str] | None = None) -> list[str]:
        return self.inner.answer(images, questions, answers)

    def explain(self, images: Tensor, text: str, *, target: str = "logit") -> list[TokenMap]:
        return self.inner.explain(images, text, target=target)

    def know(self, findings: list[str]) -> None:
        if set(findings) - KNOWN:
            raise UsageError("not known")


class Matcher(Answers):
    def match(self, tokens: Tensor, texts: list[str]) -> Tensor:
        return super().match(tokens, texts)[: len(tokens)]


class Classifier(Answers):
    def classify(self, images: Tensor, findings: list[str]) -> Tensor:
        return super().classify(images, findings) * 3 - 1


class Surprised(Answers):
    def know(self, findings: list[str]) -> None:
        if set(findings) - KNOWN:
            raise KeyError(findings[0])


class Grounder(Answers):
    def ground(self, images: Tensor, findings: list[str]) -> Tensor:
        return super().ground(images, findings)[:, :, 0]


class Generator(Answers):
    def generate(self, images: Tensor, *, beams: int, min_length: int, max_length: int) -> list[str]:
        return [f"{len(images)} studies"] * len(images)


class Short(Answers):
    """Takes no more than a few tokens, as its author tried it with."""

    def generate(self, images: Tensor, *, beams: int, min_length: int, max_length: int) -> list[str]:
        if max_length > 32:
            raise IndexError("position out of range")
        return super().generate(images, beams=beams, min_length=min_length, max_length=max_length)


class Answerer(Answers):
    def answer(self, images: Tensor, questions: list[str], answers: list[str] | None = None) -> list[str]:
        return ["perhaps"] * len(questions)


class Explainer(Answers):
    def explain(self, images: Tensor, text: str, *, target: str = "logit") -> list[TokenMap]:
        return [TokenMap(token, relevance - 1) for token, relevance in super().explain(images, text, target=target)]


class StudyEncoder(Answers):
    def study_tokens(self, images: Tensor) -> Tensor:
        return super().study_tokens(images)[:1]


BROKEN = (Answers, Matcher, Classifier, Surprised, Grounder, Generator, Short, Answerer, Explainer, StudyEncoder)
MODELS = {one.__name__.lower(): one for one in BROKEN}


def load(request: LoadRequest) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        return MODELS[request.variant]().eval()


def answering(name: str, capability: str) -> MethodSpec:
    """A method without weights that claims that one capability."""
    variant = MethodVariant(id=name, title=name, checkpoint=None, capabilities=frozenset({capability}))
    return MethodSpec(
        id="answers",
        title="Answers",
        summary="For tests.",
        variants=(variant,),
        loader=f"{__name__}:load",
        licence="none",
        pretrained_on=(),
    )
