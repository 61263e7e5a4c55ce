"""MedKLIP's network and its capabilities: ResNet-50 to ``layer3``, a projection of its patches, a query decoder.

Parameters have the names of the published state_dict, without DataParallel's prefix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from medbench_methods.nets.layer3 import WIDTH, Layer3Net, Layer4Trunk, drawn_from, resnet50_to_layer3
from medbench_methods.nets.query_decoder import QUERY_WIDTH, TEXT_WIDTH, Answer, QueryDecoder
from medbench_methods.nets.query_encoder import QueryEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class MedklipNet(Layer3Net):
    """Image in, answers to text queries out. The projection ``cl_fc``, of contrast in training alone, is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.disease_embedding_layer = nn.Linear(TEXT_WIDTH, QUERY_WIDTH)
        self.res_features = resnet50_to_layer3()
        self.res_l1 = nn.Linear(WIDTH, WIDTH)
        self.res_l2 = nn.Linear(WIDTH, QUERY_WIDTH)
        self.decoder = QueryDecoder(nn.LayerNorm(QUERY_WIDTH))
        self.classifier = nn.Linear(QUERY_WIDTH, 2)

    @property
    def findings_head(self) -> nn.Linear:
        """The classifier of the decoder's features: absent and present."""
        return self.classifier

    def ask_findings(self, patches: Tensor, book: Tensor) -> Answer:
        """Patches (B, T, 1024) and the texts' vectors (75, 768) -> the decoder's answer."""
        memory = self.res_l2(functional.relu(self.res_l1(patches)))
        answer: Answer = self.decoder(self.disease_embedding_layer(book), memory)
        return answer


class MedklipEncoder(QueryEncoder):
    """A `QueryEncoder` over a `MedklipNet`, and `FineTunable`.

    ``read_book``, given after loading, makes the vectors of the 75 texts when they are first needed.
    """

    method = "medklip"
    net: MedklipNet

    def __init__(self, net: MedklipNet) -> None:
        super().__init__()
        self.net = net
        self.read_book: Callable[[], Tensor] | None = None
        self._book: Tensor | None = None

    @property
    def findings_book(self) -> Tensor:
        """The texts' vectors (75, 768) on the network's device.

        Raises as `medbench_methods.nets.observation_books.read_findings_book`.
        """
        if self._book is None:
            if self.read_book is None:
                raise RuntimeError("this encoder was made without texts")
            self._book = self.read_book()
        self._book = self._book.to(self.net.classifier.weight.device)
        return self._book

    def fine_tuning_encoder(self, seed: int) -> Layer4Trunk:
        """A whole ResNet-50 that starts from this one, its ``layer4`` drawn from ``seed``: what the paper fine-tunes."""
        with drawn_from(seed):
            return Layer4Trunk(self.net.res_features, self.preprocess).eval()


def make_medklip() -> MedklipEncoder:
    """The encoder on the meta device, without weights."""
    with torch.device("meta"):
        return MedklipEncoder(MedklipNet())
