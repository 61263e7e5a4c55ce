"""BLIP's nets with what MOTOR puts behind the image encoder: two views of a study made one, or knowledge that is read.

Source: MOTOR release (2023-04-24), models/{blip,blip_retrieval,blip_pretrain}.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from medbench.one_pass import once_a_batch
from medbench_methods.nets.blip_net import BlipNet
from medbench_methods.nets.motor_knowledge import NODE_TOKENS, NODES

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from medbench_methods.nets.blip_texts import BlipTexts
    from medbench_methods.nets.motor_knowledge import Knowledge

VIEWS = 2


class StudyNet(BlipNet):
    """A `BlipNet` that reads studies: of one view, or of two whose tokens ``iu_proj`` makes one.

    The two are IU X-Ray's frontal and lateral films. An image alone stands for both views.
    """

    def __init__(self, net: BlipNet, iu_proj: nn.Linear | None) -> None:
        _take_over(self, net)
        self.iu_proj = iu_proj

    @property
    def views(self) -> int:
        """How many images of a study are read."""
        return 1 if self.iu_proj is None else VIEWS

    def view_tokens(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, N, C): the image encoder's own."""
        return super().image_tokens(images)

    def image_tokens(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, N, C), as those of a study whose views are all this image."""
        tokens = self.view_tokens(images)
        return self._fused([tokens] * self.views)

    @once_a_batch
    def study_tokens(self, images: Tensor) -> Tensor:
        """(B, `views` or more, 3, H, W) -> (B, N, C)."""
        return self._fused([self.view_tokens(images[:, view]) for view in range(self.views)])

    def _fused(self, views: list[Tensor]) -> Tensor:
        if self.iu_proj is None:
            return views[0]
        tokens: Tensor = self.iu_proj(torch.cat(views, dim=-1))
        return tokens


class KnowledgeNet(BlipNet):
    """A `BlipNet` whose image tokens have read both kinds of knowledge.

    So they have in pre-training, and in no released downstream script.
    """

    def __init__(self, net: BlipNet, knowledge: Knowledge, read: Callable[[], BlipTexts]) -> None:
        _take_over(self, net)
        self.knowledge = knowledge
        self._read = read

    @once_a_batch
    def image_tokens(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, N, C) that have read the graph of findings, then the three texts nearest to the image."""
        tokens = super().image_tokens(images)
        ids = node_ids(self._read()).to(tokens.device)
        read: Tensor = self.knowledge(tokens, ids, self.vision_proj)
        return read


def node_ids(texts: BlipTexts) -> Tensor:
    """(32,) token ids of the nodes of the graph, cut with [SEP] kept."""
    ids = texts.embedded([" ".join(NODES)]).ids[0]
    return torch.cat([ids[: NODE_TOKENS - 1], ids[-1:]])


def _take_over(taker: BlipNet, net: BlipNet) -> None:
    """Make the parts of ``net`` those of ``taker``, which are not made anew."""
    nn.Module.__init__(taker)
    for part in ("vision_model", "text_encoder", "text_decoder", "vision_proj", "text_proj", "itm_head"):
        setattr(taker, part, getattr(net, part))
