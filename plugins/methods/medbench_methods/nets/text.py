"""The text tower of the MGCA family: six BERT layers over Bio_ClinicalBERT's vocabulary, and its projections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from transformers import BertConfig, BertModel

from medbench_methods.nets.projection import GlobalProjection, LocalProjection
from medbench_methods.nets.tokens import Tokens
from medbench_methods.nets.vocabulary_files import read_tokenizer
from medbench_methods.vocabulary import CLINICAL_BERT

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

MAX_TOKENS = 112
TEXT_DIM = 768


class Words(NamedTuple):
    """Word features (B, 111, 768), their CLS attention (B, 111), both zero-padded, and the words, CLS first."""

    features: Tensor
    attention: Tensor
    words: list[list[str]]


@dataclass(frozen=True)
class BertOutput:
    """Last hidden state (B, T, 768) and the last layer's attention (B, 12, T, T)."""

    hidden: Tensor
    attention: Tensor


class TextTower(nn.Module):
    """BERT without pooler and cross-attention, as the published models run it.

    Every token gets position 0, because that is what the published code feeds: the tower is a
    bag of words. ``true_positions`` gives ordinary positions instead, which no released weights were trained with.
    """

    def __init__(self, tokenizer: Any = None) -> None:
        super().__init__()
        config = BertConfig(
            vocab_size=CLINICAL_BERT.size,
            num_hidden_layers=6,
            type_vocab_size=1,
            layer_norm_eps=1e-12,
            attn_implementation="eager",
        )
        self.bert = BertModel(config, add_pooling_layer=False)
        self.global_embed = GlobalProjection(TEXT_DIM)
        self.local_embed = LocalProjection(TEXT_DIM)
        self.tokenizer = tokenizer

    def tokenize(self, texts: list[str], *, to_max: bool = False) -> Tokens:
        """Cleaned texts -> at most 112 tokens each, padded to the longest, or to 112 with ``to_max``."""
        padding = "max_length" if to_max else "longest"
        batch = self.tokenizer(texts, truncation=True, max_length=MAX_TOKENS, padding=padding, return_tensors="pt")
        device = self.bert.embeddings.word_embeddings.weight.device
        return Tokens(batch["input_ids"].to(device), batch["attention_mask"].to(device))

    def forward(self, tokens: Tokens, *, true_positions: bool = False) -> BertOutput:
        positions = torch.arange(tokens.ids.shape[1], device=tokens.ids.device).expand_as(tokens.ids)
        out = self.bert(
            tokens.ids,
            attention_mask=tokens.mask,
            position_ids=positions if true_positions else torch.zeros_like(tokens.ids),
            output_attentions=True,
        )
        return BertOutput(out.last_hidden_state, out.attentions[-1])

    def words(self, tokens: Tokens, output: BertOutput) -> Words:
        """Sum WordPieces into words up to and with the first [SEP], drop CLS, zero-pad to 111.

        The attention is CLS's, averaged over heads and, as published, off by one: a token takes its right neighbour's.
        ``tokens`` must be padded to 112.
        """
        pieces = [self.tokenizer.convert_ids_to_tokens(row) for row in tokens.ids.tolist()]
        lengths = [row.index(self.tokenizer.sep_token) + 1 for row in pieces]
        slots = torch.tensor([_slots(row, length) for row, length in zip(pieces, lengths, strict=True)])
        slots = slots.to(tokens.ids.device)
        batch, length, width = output.hidden.shape
        features = output.hidden.new_zeros(batch, length + 1, width)
        features.scatter_add_(1, slots[..., None].expand(-1, -1, width), output.hidden)
        neighbour = nn.functional.pad(output.attention[:, :, 0, 1:].mean(dim=1), (0, 1))
        attention = output.hidden.new_zeros(batch, length + 1).scatter_add_(1, slots, neighbour)
        names = [_joined(row[:size]) for row, size in zip(pieces, lengths, strict=True)]
        return Words(features[:, 1:length], attention[:, 1:length], names)


def make_text_tower(tokenizer: Any = None) -> TextTower:
    """The tower on the meta device, without weights, but with BERT's index buffers in place."""
    with torch.device("meta"):
        tower = TextTower(tokenizer)
    embeddings = tower.bert.embeddings
    embeddings.position_ids = torch.arange(embeddings.position_embeddings.num_embeddings)[None]
    embeddings.token_type_ids = torch.zeros_like(embeddings.position_ids)
    return tower


def load_tokenizer(assets: Path | None) -> Any:
    """Bio_ClinicalBERT's tokenizer. Raises as `medbench_methods.nets.vocabulary_files.read_tokenizer`."""
    return read_tokenizer(assets, CLINICAL_BERT)


def _slots(pieces: list[str], length: int) -> list[int]:
    """For each token the index of its word; tokens after [SEP] go to the last slot, which is dropped."""
    slots: list[int] = []
    for piece in pieces[:length]:
        joins = piece.startswith("##") and bool(slots)
        slots.append(slots[-1] if joins else (slots[-1] + 1 if slots else 0))
    return slots + [len(pieces)] * (len(pieces) - length)


def _joined(pieces: list[str]) -> list[str]:
    words: list[str] = []
    for piece in pieces:
        if piece.startswith("##") and words:
            words[-1] += piece[2:]
        else:
            words.append(piece)
    return words
