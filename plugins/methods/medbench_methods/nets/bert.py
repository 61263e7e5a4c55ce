"""BERT as a text tower: how a method cuts, pads and pools its texts, and where its vocabulary lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import nn
from transformers import BertConfig, BertModel

from medbench_methods.nets.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from medbench_methods.vocabulary import Vocabulary

WIDTH = 768


class States(NamedTuple):
    """What BERT makes of B texts of T tokens: the embeddings and every layer's output, each (B, T, 768), and the pooler's.

    ``pooled`` (B, 768) is None for a tower without pooler.
    """

    layers: tuple[Tensor, ...]
    tokens: Tokens
    pooled: Tensor | None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a method reads texts.

    They are cut at ``length`` tokens and padded to the longest of a batch, or to ``length``. ``pool`` makes (B, 768) of the
    states; it must not depend on the padding of the others in a batch.
    """

    vocabulary: Vocabulary
    length: int
    padding: Literal["longest", "max_length"]
    pool: Callable[[States], Tensor]


class BertTower(nn.Module):
    """BERT-base with a projection: B texts -> (B, joint_dim). Its tokenizer is given later, as the file's weights are.

    The state_dict has transformers' names under ``bert.``. ``pooler`` says whether the CLS token has a layer of its own.
    """

    def __init__(self, reading: Reading, projection: nn.Module, *, pooler: bool = False) -> None:
        super().__init__()
        sizes = BertConfig(vocab_size=reading.vocabulary.size, layer_norm_eps=1e-12)
        self.bert = BertModel(sizes, add_pooling_layer=pooler)
        self.projection = projection
        self.reading = reading
        self.tokenizer: Any = None

    def forward(self, texts: list[str]) -> Tensor:
        """B texts -> (B, joint_dim)."""
        projected: Tensor = self.projection(self.reading.pool(self.states(texts)))
        return projected

    def states(self, texts: list[str]) -> States:
        """B texts -> what their tokens become, layer by layer."""
        batch = self.tokenizer(
            texts,
            truncation=True,
            max_length=self.reading.length,
            padding=self.reading.padding,
            return_tensors="pt",
        )
        device = self.bert.embeddings.word_embeddings.weight.device
        tokens = Tokens(batch["input_ids"], batch["attention_mask"]).to(device)
        output = self.bert(tokens.ids, attention_mask=tokens.mask, output_hidden_states=True)
        return States(output.hidden_states, tokens, output.pooler_output)


def on_meta(make: Callable[[], BertTower]) -> BertTower:
    """The tower on the meta device, without weights, but with BERT's index buffers in place."""
    with torch.device("meta"):
        tower = make()
    embeddings = tower.bert.embeddings
    embeddings.position_ids = torch.arange(embeddings.position_embeddings.num_embeddings)[None]
    embeddings.token_type_ids = torch.zeros_like(embeddings.position_ids)
    return tower


def cls_token(states: States) -> Tensor:
    """The last layer's first token."""
    return states.layers[-1][:, 0]


def pooler_output(states: States) -> Tensor:
    """The first token after the pooler's dense layer and tanh."""
    if states.pooled is None:
        raise RuntimeError("this tower was made without a pooler")
    return states.pooled


def mean_of_tokens(states: States) -> Tensor:
    """The mean of the last layer over a text's own tokens, [CLS] and [SEP] among them."""
    mask = states.tokens.mask[..., None].to(states.layers[-1].dtype)
    return (states.layers[-1] * mask).sum(dim=1) / mask.sum(dim=1)
