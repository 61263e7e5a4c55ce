"""MeDSLIP as capabilities: features and maps for probes, findings asked by name, and where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from medbench.capabilities import Preprocess
from medbench.errors import CheckpointError
from medbench_methods.nets.medslip_books import Books
from medbench_methods.nets.medslip_findings import query_indices
from medbench_methods.nets.medslip_finetune import FineTunedTrunk
from medbench_methods.nets.medslip_net import CHANNELS, STRIDE, STRIDES, WIDTH, Gate, MedslipNet

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

PREPROCESS = Preprocess(
    resize=224,
    mode="squash",
    crop=224,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    interpolation="bilinear",
)


class MedslipEncoder(nn.Module):
    """`ImageEncoder`, `DenseImageEncoder`, `QueryClassifier`, `Grounder` and `FineTunable` over a `MedslipNet`.

    The release has no pooled feature: it fine-tunes a ResNet-50 whose last stage is random, and asks 196 tokens otherwise.
    Here the global feature is the mean of ``layer3`` (1024), the last tensor that is trained, common to both streams and
    free of text. The texts' vectors are what ``read`` gives, called when they are first needed.
    """

    preprocess = PREPROCESS
    embed_dim = WIDTH
    channels = CHANNELS
    strides = STRIDES

    def __init__(self, net: MedslipNet, read: Callable[[], Books]) -> None:
        super().__init__()
        self.net = net
        self._read = read
        self._books: Books | None = None

    @property
    def books(self) -> Books:
        """The texts' vectors on the network's device. Raises as `medbench_methods.nets.medslip_books.read_books`."""
        if self._books is None:
            self._books = self._read()
        device = self.net.mask_generator.weight.device
        if self._books.pathology.device != device:
            self._books = Books(self._books.pathology.to(device), self._books.anatomy.to(device))
        return self._books

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
        queries = query_indices(findings)
        answer = self.net.ask_findings(self.net.patches(images), self.books.pathology)
        # A sum of products, which autocast leaves in float32: logits in half precision would tie many images.
        head = self.net.classifier_pathology
        logits = (answer.features[:, queries, None].float() * head.weight).sum(dim=-1) + head.bias
        return logits.softmax(dim=-1)[..., 1]

    def ground(self, images: Tensor, findings: list[str], *, as_released: bool = False) -> Tensor:
        """(B, 3, H, W) and K findings -> (B, K, H / 16, W / 16): cross-attention, the mean over layers and heads.

        Raw attention: it sums to 1 over the cells. ``as_released`` feeds the mask itself to the stream, as the released
        grounding script does where the pre-training multiplies features by it; its random query projection is not
        reproduced, and dividing by the maximum of a batch is left to the task. Raises `UsageError` for a finding without
        a query.
        """
        queries = query_indices(findings)
        maps = self._finding_maps(self.net.patches(images), queries, _gate(as_released))
        return _as_grid(maps, images)

    def ground_product(self, images: Tensor, findings: list[str], *, as_released: bool = False) -> Tensor:
        """As `ground`, times the attention of each of the 51 places, the mean over places: the release's ``use_ws_p``.

        Raises `CheckpointError` where the file holds no anatomy stream.
        """
        queries = query_indices(findings)
        if not self.net.has_places:
            raise CheckpointError("this MeDSLIP file has no anatomy stream, which product maps need")
        patches, gate = self.net.patches(images), _gate(as_released)
        places = self.net.ask_places(patches, self.books.anatomy, gate).attention.mean(dim=1)
        maps = self._finding_maps(patches, queries, gate) * places.mean(dim=1, keepdim=True)
        return _as_grid(maps, images)

    def fine_tuning_encoder(self, seed: int, *, masked: bool = False) -> FineTunedTrunk:
        """A whole ResNet-50 that starts from this one, ``layer4`` and all else that is new drawn from ``seed``.

        ``masked`` puts the pathology stream between ``layer3`` and ``layer4``, the release's other form.
        """
        return FineTunedTrunk(self.net, PREPROCESS, seed=seed, masked=masked).eval()

    def _finding_maps(self, patches: Tensor, queries: list[int], gate: Gate) -> Tensor:
        attention = self.net.ask_findings(patches, self.books.pathology, gate).attention
        return attention[:, :, queries].mean(dim=1)


def _gate(as_released: bool) -> Gate:
    return "mask" if as_released else "gated"


def _as_grid(maps: Tensor, images: Tensor) -> Tensor:
    height, width = (-(-side // STRIDE) for side in images.shape[-2:])
    return maps.reshape(*maps.shape[:2], height, width)


def make_encoder(*, places: bool, read: Callable[[], Books]) -> MedslipEncoder:
    """The encoder on the meta device, without weights."""
    with torch.device("meta"):
        return MedslipEncoder(MedslipNet(places=places), read)
