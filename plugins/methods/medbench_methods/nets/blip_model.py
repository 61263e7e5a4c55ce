"""BLIP as capabilities: one class for each set of parts, which offers what those weights can do and nothing else."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Literal

from torch import nn

from medbench.errors import UsageError
from medbench_methods.nets.blip_answers import ranked_answers, written_answers
from medbench_methods.nets.blip_explain import token_maps
from medbench_methods.nets.blip_net import MATCH, BlipNet
from medbench_methods.nets.blip_writing import BlipReportNet, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from medbench.capabilities import TokenMap
    from medbench_methods.nets.blip_flavour import BlipFlavour
    from medbench_methods.nets.blip_texts import BlipTexts


class BlipModel(nn.Module):
    """`ImageEncoder` and `DenseImageEncoder` over a `BlipNet`: the raw [CLS] after the last norm, and the grid of patches.

    ``read`` gives the texts' side (vocabulary and cleaning), the same at each call, of which the first is made when a text is
    there. Images may be of any size that the patch divides: positions are interpolated (bicubic, [CLS] kept), as the release
    does when it loads.
    """

    def __init__(self, net: BlipNet, flavour: BlipFlavour, read: Callable[[], BlipTexts]) -> None:
        super().__init__()
        self.net = net
        self.flavour = flavour
        config = net.vision_model.config
        self.preprocess = flavour.preprocess(config.image_size)
        self.embed_dim: int = config.hidden_size
        self.channels: tuple[int, ...] = (config.hidden_size,)
        self.strides: tuple[int, ...] = (config.patch_size,)
        self._read = read

    @property
    def texts(self) -> BlipTexts:
        """Vocabulary and cleaning. Raises as `medbench_methods.nets.blip_texts.load_texts`."""
        return self._read()

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, embed_dim): [CLS], raw."""
        return self.net.image_tokens(images)[:, 0]

    def encode_pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> one map (B, embed_dim, H / 16, W / 16)."""
        height, width = (side // self.strides[0] for side in images.shape[-2:])
        patches = self.net.image_tokens(images)[:, 1:].transpose(1, 2)
        return (patches.unflatten(2, (height, width)),)


class Aligns(BlipModel):
    """`TextEncoder`: text alone, [CLS] first, cut at ``limits.embedding`` tokens."""

    @property
    def joint_dim(self) -> int:
        """Width of the space that images and texts share."""
        width: int = self.net.text_proj.out_features
        return width

    def encode_texts(self, texts: list[str]) -> Tensor:
        """B texts -> (B, joint_dim), projected, not normalised."""
        projected: Tensor = self.net.text_proj(self.net.text_states(self.texts.embedded(texts))[:, 0])
        return projected

    def project_images(self, features: Tensor) -> Tensor:
        """(B, embed_dim) -> (B, joint_dim), not normalised."""
        projected: Tensor = self.net.vision_proj(features)
        return projected


class Matches(BlipModel):
    """`ImageTextMatcher` and `Explainer`: text fused with all of the image's tokens, [ENC] first."""

    def image_tokens(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, T, C), [CLS] first."""
        return self.net.image_tokens(images)

    def match(self, tokens: Tensor, texts: list[str]) -> Tensor:
        """(B, T, C) and B texts, either may be one -> (B,) raw logits of a match.

        An image given once has its keys and values computed once, and a text given once is read once up to where the first
        image comes in. The retrieval score of the release is this plus the cosine of the projections.
        """
        return self.net.match_logits(tokens, self.texts.fused(texts))[:, MATCH]

    def explain(self, images: Tensor, text: str, *, target: Literal["logit", "nll"] = "logit") -> list[TokenMap]:
        """(1, 3, H, W) and a text -> a map (H / 16, W / 16) for each token, as `blip_explain.token_maps`."""
        tokens = self.texts.looked_for(text, as_released=target == "nll")
        return token_maps(self.net, images, tokens, self.texts, target)


class Writes(BlipModel):
    """`ReportGenerator` of one image a study, and `ReportLearner`."""

    views = 1

    def generate(self, images: Tensor, *, beams: int, min_length: int, max_length: int) -> list[str]:
        """(B, 1, 3, H, W) -> B texts after the prompt; lengths count the prompt's tokens, [DEC] among them."""
        return write(self.net, self.net.image_tokens(images[:, 0]), self.texts, beams, min_length, max_length)

    def report_net(self, views: int, seed: int) -> BlipReportNet:
        """A copy of the image encoder and the decoder to train; nothing in it is new. Raises `UsageError` for two views."""
        if views != 1:
            raise UsageError(f"{self.flavour.title} reads one image a study, not {views}", fix="set views to 1")
        net = BlipNet(deepcopy(self.net.vision_model))
        net.text_decoder = deepcopy(self.net.text_decoder)
        return BlipReportNet(net, self.texts, self.preprocess).requires_grad_()


class Answers(BlipModel):
    """`QuestionAnswerer`: the decoder reads the states of a question that was fused with the image."""

    def answer(self, images: Tensor, questions: list[str], answers: list[str] | None = None) -> list[str]:
        """(B, 3, H, W) and B questions -> B answers, as `blip_answers` says: ranked where ``answers`` are given.

        Written or ranked, an answer does not depend on the other questions; the release's written ones do.
        Raises `UsageError` where ``answers`` is empty.
        """
        images, asked = self.net.image_tokens(images), self.texts.questions(questions)
        if answers is None:
            return self.texts.written(written_answers(self.net, images, asked, self.texts)[:, 1:])
        rankings = ranked_answers(self.net, images, asked, answers, self.texts)
        return [answers[int(one.order[one.losses.argmin()])] for one in rankings]


class BlipPretrained(Aligns, Matches, Writes):
    """All parts: what pre-training leaves."""


class BlipMatcher(Aligns, Matches):
    """Without a decoder: fine-tuned for retrieval, or a slim scorer of matches."""


class BlipCaptioner(Writes):
    """Image encoder and decoder."""


class BlipAnswerer(Answers):
    """Image encoder, encoder of questions, decoder of answers."""


def make_model(net: BlipNet, flavour: BlipFlavour, read: Callable[[], BlipTexts]) -> BlipModel:
    """The class that offers what the net's parts can do."""
    if net.itm_head is not None:
        return (BlipMatcher if net.text_decoder is None else BlipPretrained)(net, flavour, read)
    return (BlipCaptioner if net.text_encoder is None else BlipAnswerer)(net, flavour, read)
