"""MedKLIP and MeDSLIP as capabilities: features and maps for probes, findings asked by name, and where they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from torch import nn

from medbench.capabilities import Preprocess
from medbench_methods.nets.layer3 import CHANNELS, STRIDE, STRIDES, WIDTH
from medbench_methods.normalisation import IMAGENET_MEAN, IMAGENET_STD
from medbench_methods.observations import query_indices

if TYPE_CHECKING:
    from torch import Tensor

    from medbench_methods.nets.query_decoder import Answer

PREPROCESS = Preprocess(
    resize=224,
    mode="squash",
    crop=224,
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    interpolation="bilinear",
)


class QueryNet(Protocol):
    """What the encoder needs of its network, a `torch.nn.Module`."""

    def pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        """As `medbench_methods.nets.layer3.Layer3Net.pyramid`."""
        ...

    def patches(self, images: Tensor) -> Tensor:
        """As `medbench_methods.nets.layer3.Layer3Net.patches`."""
        ...

    def ask_findings(self, patches: Tensor, book: Tensor) -> Answer:
        """Patches (B, T, 1024) and the texts' vectors (75, 768) -> the decoder's answer."""
        ...

    @property
    def findings_head(self) -> nn.Linear:
        """The classifier of the decoder's features: absent and present."""
        ...


class QueryEncoder(nn.Module, ABC):
    """`ImageEncoder`, `DenseImageEncoder`, `QueryClassifier` and `Grounder` over a `QueryNet`.

    The releases have no pooled feature: they fine-tune a ResNet-50 whose last stage is random, and ask 196 tokens otherwise.
    Here the global feature is the mean of ``layer3`` (1024), the last tensor that is trained and free of text.
    """

    method: str
    """The id that errors name."""
    preprocess = PREPROCESS
    embed_dim = WIDTH
    channels = CHANNELS
    strides = STRIDES
    net: QueryNet

    @property
    @abstractmethod
    def findings_book(self) -> Tensor:
        """The vectors of the 75 texts (75, 768), on the network's device."""

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1024): the mean of ``layer3``."""
        return self.net.pyramid(images)[-1].mean(dim=(2, 3))

    def encode_pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> the stem after its ReLU and ``layer1`` to ``layer3``: `channels` at `strides`."""
        return self.net.pyramid(images)

    def classify(self, images: Tensor, findings: list[str]) -> Tensor:
        """(B, 3, H, W) and K findings -> (B, K) probabilities of presence: softmax of the query's two logits, index 1.

        All 75 queries are asked whatever ``findings`` are, because they attend to each other. Raises `UsageError` for a
        finding without a query.
        """
        queries = self.queries(findings)
        answer = self.net.ask_findings(self.net.patches(images), self.findings_book)
        # A sum of products, which autocast leaves in float32: logits in half precision would tie many images.
        head = self.net.findings_head
        logits = (answer.features[:, queries, None].float() * head.weight).sum(dim=-1) + head.bias
        return logits.softmax(dim=-1)[..., 1]

    def ground(self, images: Tensor, findings: list[str]) -> Tensor:
        """(B, 3, H, W) and K findings -> (B, K, H / 16, W / 16): cross-attention, the mean over layers and heads.

        Raw attention: it sums to 1 over the cells. Raises `UsageError` for a finding without a query.
        """
        queries = self.queries(findings)
        answer = self.net.ask_findings(self.net.patches(images), self.findings_book)
        return as_grid(answer.attention[:, :, queries].mean(dim=1), images)

    def queries(self, findings: list[str]) -> list[int]:
        """The query of each finding. Raises `UsageError` for one that has none."""
        return query_indices(findings, self.method)


def as_grid(maps: Tensor, images: Tensor) -> Tensor:
    """Attention (B, K, T) over the patches of (B, 3, H, W) -> (B, K, H / 16, W / 16)."""
    height, width = (-(-side // STRIDE) for side in images.shape[-2:])
    return maps.reshape(*maps.shape[:2], height, width)
