"""MeDSLIP as capabilities: features and maps for probes, findings asked by name, and where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from medbench.errors import CheckpointError
from medbench_methods.nets.medslip_books import Books
from medbench_methods.nets.medslip_finetune import FineTunedTrunk
from medbench_methods.nets.medslip_net import Gate, MedslipNet
from medbench_methods.nets.query_encoder import PREPROCESS, QueryEncoder, as_grid

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = ("PREPROCESS", "MedslipEncoder", "make_encoder")


class MedslipEncoder(QueryEncoder):
    """A `QueryEncoder` over a `MedslipNet`, and `FineTunable`.

    The global feature is common to both streams. The texts' vectors are what ``read`` gives, called when they are first needed.
    """

    method = "medslip"
    net: MedslipNet

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

    @property
    def findings_book(self) -> Tensor:
        """The pathology book (75, 768)."""
        return self.books.pathology

    def ground(self, images: Tensor, findings: list[str], *, as_released: bool = False) -> Tensor:
        """(B, 3, H, W) and K findings -> (B, K, H / 16, W / 16): cross-attention, the mean over layers and heads.

        Raw attention: it sums to 1 over the cells. ``as_released`` feeds the mask itself to the stream, as the released
        grounding script does where the pre-training multiplies features by it; its random query projection is not
        reproduced, and dividing by the maximum of a batch is left to the task. Raises `UsageError` for a finding without
        a query.
        """
        queries = self.queries(findings)
        maps = self._finding_maps(self.net.patches(images), queries, _gate(as_released))
        return as_grid(maps, images)

    def ground_product(self, images: Tensor, findings: list[str], *, as_released: bool = False) -> Tensor:
        """As `ground`, times the attention of each of the 51 places, the mean over places: the release's ``use_ws_p``.

        Raises `CheckpointError` where the file holds no anatomy stream.
        """
        queries = self.queries(findings)
        if not self.net.has_places:
            raise CheckpointError("this MeDSLIP file has no anatomy stream, which product maps need")
        patches, gate = self.net.patches(images), _gate(as_released)
        places = self.net.ask_places(patches, self.books.anatomy, gate).attention.mean(dim=1)
        maps = self._finding_maps(patches, queries, gate) * places.mean(dim=1, keepdim=True)
        return as_grid(maps, images)

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


def make_encoder(*, places: bool, read: Callable[[], Books]) -> MedslipEncoder:
    """The encoder on the meta device, without weights."""
    with torch.device("meta"):
        return MedslipEncoder(MedslipNet(places=places), read)
