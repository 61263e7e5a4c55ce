"""A method without weights that offers every capability: what a task is tried with, so that it needs no method at all.

Its answers depend on the inputs and on the trial's seed, and mean nothing.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from medbench.capabilities import LoadRequest, Preprocess
from medbench.selection import MethodChoice
from medbench.specs import MethodSpec, MethodVariant

if TYPE_CHECKING:
    from torch import Tensor, nn

WIDTH = 8


def stand_in(capabilities: frozenset[str]) -> MethodChoice:
    """The method with those capabilities and no others."""
    variant = MethodVariant(id="drawn", title="drawn", checkpoint=None, capabilities=capabilities)
    spec = MethodSpec(
        id="stand-in",
        title="Stand-in",
        summary="A few drawn weights, to try a task with.",
        variants=(variant,),
        loader=f"{__name__}:load",
        licence="Apache-2.0",
        pretrained_on=(),
    )
    return MethodChoice(spec, variant)


def load(request: LoadRequest) -> nn.Module:
    """The model, drawn from the trial's seed; the global generators stay as they were."""
    import torch
    from torch import nn

    class StandIn(nn.Module):
        """One convolution of stride 8 under every capability."""

        preprocess = Preprocess(resize=32, mode="squash", crop=32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
        embed_dim = joint_dim = WIDTH
        channels, strides = (WIDTH,), (8,)
        views = 1

        def __init__(self) -> None:
            super().__init__()
            self.trunk = nn.Conv2d(3, WIDTH, 8, stride=8)

        def encode_pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
            return (self.trunk(images).tanh(),)

        def encode_images(self, images: Tensor) -> Tensor:
            return self.encode_pyramid(images)[0].mean((2, 3))

        def encode_texts(self, texts: list[str]) -> Tensor:
            return torch.stack([_of_text(text) for text in texts]).to(self.trunk.weight.device)

        def project_images(self, features: Tensor) -> Tensor:
            return features

        def image_tokens(self, images: Tensor) -> Tensor:
            return self.encode_images(images)[:, None]

        def match(self, tokens: Tensor, texts: list[str]) -> Tensor:
            return (tokens[:, 0] * self.encode_texts(texts)).sum(1)

        def study_tokens(self, images: Tensor) -> Tensor:
            return self.encode_images(images.flatten(0, 1)).reshape(len(images), -1, WIDTH).mean(1, keepdim=True)

        def project_studies(self, features: Tensor) -> Tensor:
            return features

        def classify(self, images: Tensor, findings: list[str]) -> Tensor:
            return (self.encode_images(images) @ self.encode_texts(findings).T).sigmoid()

        def ground(self, images: Tensor, findings: list[str]) -> Tensor:
            maps: Tensor = torch.einsum("bchw,kc->bkhw", self.encode_pyramid(images)[0], self.encode_texts(findings))
            return maps.sigmoid()

        def generate(self, images: Tensor, *, beams: int, min_length: int, max_length: int) -> list[str]:
            words = ("effusion", "no pneumothorax", "normal heart size", "opacity")
            return [f"there is {words[index % 4]} ." for index in self._choices(images[:, 0], 4)]

        def answer(self, images: Tensor, questions: list[str], answers: list[str] | None = None) -> list[str]:
            known = answers or ["yes", "no"]
            return [known[index] for index in self._choices(images, len(known))]

        def explain(self, images: Tensor, text: str, *, target: str = "logit") -> list[Any]:
            from medbench.capabilities import TokenMap

            relevance = self.encode_pyramid(images)[0][0].mean(0).clamp(min=0).detach()
            return [TokenMap(token, relevance) for token in text.split()]

        def _choices(self, images: Tensor, count: int) -> list[int]:
            levels = (self.encode_images(images).mean(1) * 1000).abs().long() % count
            return [int(level) for level in levels]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(request.seed)
        return StandIn().eval()


def _of_text(text: str) -> Tensor:
    """(WIDTH,) numbers that depend on the text alone."""
    import torch

    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:WIDTH]
    return torch.tensor([byte / 128 - 1 for byte in digest])
