"""An encoder whose images and texts share a space, as MGCA and those that follow it build it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from medbench_methods.nets.encoders import FAMILY_PREPROCESS, VisionEncoder
from medbench_methods.nets.projection import JOINT_DIM, GlobalProjection, LocalProjection

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from medbench_methods.nets.text import BertOutput, TextTower, Words


class TextSource(Protocol):
    """Where the text tower comes from, when it is first asked for."""

    def build(self) -> TextTower:
        """The tower with its weights and tokenizer, in eval mode on the CPU."""
        ...


class AlignedEncoder(VisionEncoder):
    """A `VisionEncoder` with MGCA's projections and text tower: a `TextEncoder` too.

    The text tower is built when first used. ``true_positions`` gives its tokens ordinary positions (see `TextTower`).
    Nothing returned is L2-normalised.
    """

    joint_dim = JOINT_DIM

    def __init__(self, trunk: Any, *, clean: Callable[[str], str], text_source: TextSource | None = None) -> None:
        super().__init__(trunk, FAMILY_PREPROCESS)
        self.global_embed = GlobalProjection(trunk.embed_dim)
        self.local_embed = LocalProjection(trunk.local_dim)
        self.clean = clean
        self.true_positions = False
        self._text_source = text_source
        self._text: TextTower | None = None

    @property
    def text(self) -> TextTower:
        """The text tower, on the trunk's device."""
        if self._text is None:
            if self._text_source is None:
                raise RuntimeError("this encoder was made without a text tower")
            self._text = self._text_source.build().to(next(self.trunk.parameters()).device)
        return self._text

    def encode_texts(self, texts: list[str]) -> Tensor:
        """B texts, cleaned as the method does -> (B, 128); at most 112 tokens count."""
        projected: Tensor = self.text.global_embed(self.report_features(texts))
        return projected

    def report_features(self, texts: list[str]) -> Tensor:
        """B texts -> the last layer's CLS (B, 768), before projection."""
        tokens = self.text.tokenize([self.clean(text) for text in texts])
        output: BertOutput = self.text(tokens, true_positions=self.true_positions)
        return output.hidden[:, 0]

    def encode_words(self, texts: list[str]) -> Words:
        """B texts -> word features (B, 111, 768) with their attention and the words themselves."""
        tokens = self.text.tokenize([self.clean(text) for text in texts], to_max=True)
        return self.text.words(tokens, self.text(tokens, true_positions=self.true_positions))

    def project_words(self, features: Tensor) -> Tensor:
        """(B, T, 768) from `encode_words` -> (B, T, 128)."""
        projected: Tensor = self.text.local_embed(features)
        return projected

    def project_images(self, features: Tensor) -> Tensor:
        """(B, embed_dim) from `encode_images` -> (B, 128)."""
        projected: Tensor = self.global_embed(features)
        return projected

    def encode_local(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> local tokens (B, T, C), row-major."""
        tokens: Tensor = self.trunk.features(images)[1]
        return tokens

    def project_local(self, tokens: Tensor) -> Tensor:
        """(B, T, C) from `encode_local` -> (B, T, 128)."""
        projected: Tensor = self.local_embed(tokens)
        return projected
