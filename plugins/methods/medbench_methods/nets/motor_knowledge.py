"""MOTOR's two knowledge branches, kept exactly as the release computes them, oddities included.

General knowledge is a fixed graph of 27 findings, read as one string; specific knowledge is a queue of triplet texts from
which an image takes the three nearest. Pre-training runs every image through both; every released downstream script
leaves both out. Source: MOTOR release (2023-04-24), models/tagencoder.py, medical_knowledge/{GK,SK}_knowledge.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn.functional import normalize

from medbench_methods.nets.motor_layers import Decoder, Encoder

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import BlipTextModel

RETRIEVED = 3
HYPHEN = 579
"""SciBERT's id of what joins the parts of a triplet."""
NODE_TOKENS = 32
MERGED = ((2, 3), (13, 14), (26, 27), (29, 30))
"""Positions whose embeddings are averaged. They assume a token a word: with SciBERT they hit other words (as released)."""
NODES = (
    "normal",
    "other finding",
    "heart",
    "cardiomegaly",
    "spine",
    "scoliosis",
    "pleural",
    "effusion",
    "thickening",
    "pneumothorax",
    "bone",
    "bone fractures",
    "lung",
    "emphysema",
    "pneumonia",
    "edema",
    "atelectasis",
    "clcatrix",  # the release's spelling, which decides the tokens
    "opacity",
    "lesion",
    "mediastinum",
    "hernia",
    "calcinosis",
    "foreign object",
    "airspace",
    "airspace disease",
    "hypoinflation",
)
GROUPS = (0, 1, 2, 3, 3, 4, 4, 5, 5, 5, 5, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7, 8, 8, 8, 9, 10, 10, 10)
LABELS = (0, 2, 3, 1, 4, 1, 5, 1, 6, 6, 6, 1, 7, 1, 8, 8, 8, 8, 8, 8, 8, 1, 9, 9, 10, 1, 11, 11)


class TagEncoder(nn.Module):
    """The graph of findings as 28 vectors.

    ``ids`` are the 32 token ids of `NODES` joined by spaces, cut with [SEP] kept: the last nine nodes are lost, as released.
    """

    positions: Tensor

    def __init__(self, vocabulary: int, width: int, *, heads: int, hidden: int, depth: int) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(vocabulary, width, padding_idx=0)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.encoder = Encoder(width, heads=heads, hidden=hidden, depth=depth)
        self.dropout = nn.Dropout(0.1)
        self.register_buffer("positions", torch.zeros(1, 20, width))

    def forward(self, ids: Tensor) -> Tensor:
        """(32,) token ids -> (28, width)."""
        nodes = self.embed(ids)
        encoded: Tensor = self.encoder(nodes[None], _visible().to(nodes.device))
        return encoded[0]

    def embed(self, ids: Tensor) -> Tensor:
        """(32,) token ids -> (28, width): merged word embeddings with the code of their group, normalised."""
        words = merge(self.word_embeddings(ids))
        groups = torch.tensor(GROUPS, device=words.device)
        embedded: Tensor = self.dropout(self.norm(words + self.positions[0, groups]))
        return embedded


class SpecificKnowledge(nn.Module):
    """A queue of knowledge texts, and the decoder by which image tokens read the three that are nearest to the image.

    ``encoder`` is a text model without cross-attention. The queue's columns of ``text_queue`` (joint, Q) have length 1; its
    masks hide padding, and a text's hyphens are hidden where it is read, whether a mask hides them or not.
    """

    text_queue: Tensor
    ids_queue: Tensor
    mask_queue: Tensor

    def __init__(self, encoder: BlipTextModel, decoder: Decoder, *, entries: int, length: int, joint: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.register_buffer("text_queue", torch.zeros(joint, entries))
        self.register_buffer("ids_queue", torch.zeros(entries, length, dtype=torch.int64))
        self.register_buffer("mask_queue", torch.zeros(entries, length))

    def forward(self, tokens: Tensor, feature: Tensor) -> Tensor:
        """(B, T, C) tokens and (B, joint) features of length 1 -> (B, T, C) tokens that have read the knowledge."""
        found = self.retrieve(feature)
        shape = (*found.indices.shape, -1)
        ids, mask = self.ids_queue[found.indices.flatten()], self.mask_queue[found.indices.flatten()]
        states = self.encoder(ids, attention_mask=(mask * (ids != HYPHEN)).long()).last_hidden_state
        knowledge = (states.unflatten(0, shape[:2]) * found.weights[..., None, None]).sum(dim=1)
        read: Tensor = self.decoder(tokens, knowledge)
        return read

    def retrieve(self, feature: Tensor) -> Retrieved:
        """The three entries with the largest cosine, weighed by the softmax of their cosines (no temperature)."""
        nearest = (feature @ self.text_queue).topk(min(RETRIEVED, self.text_queue.shape[1]), dim=1)
        return Retrieved(nearest.indices, nearest.values.softmax(dim=1))


class Retrieved(NamedTuple):
    """Indices into the queue and their weights, both (B, 3)."""

    indices: Tensor
    weights: Tensor


class Knowledge(nn.Module):
    """Both branches as pre-training chains them; ``ids`` are those of `TagEncoder`."""

    def __init__(self, tags: TagEncoder, general: Decoder, specific: SpecificKnowledge) -> None:
        super().__init__()
        self.tags = tags
        self.general = general
        self.specific = specific

    def forward(self, tokens: Tensor, ids: Tensor, project: nn.Module) -> Tensor:
        """(B, T, C) tokens of the ViT, ids and the projection of images -> (B, T, C) that have read both kinds."""
        general = self.read_general(tokens, ids)
        specific: Tensor = self.specific(general, normalize(project(general[:, 0]), dim=-1))
        return specific

    def read_general(self, tokens: Tensor, ids: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C) that have read the graph of findings."""
        read: Tensor = self.general(tokens, self.tags(ids).expand(len(tokens), -1, -1))
        return read


def merge(words: Tensor) -> Tensor:
    """(32, C) -> (28, C): each pair of `MERGED` becomes its mean, at the place of its first."""
    merged = words.clone()
    for first, second in MERGED:
        merged[first] = (words[first] + words[second]) / 2
    gone = {second for _, second in MERGED}
    return merged[[position for position in range(len(words)) if position not in gone]]


def _visible() -> Tensor:
    """(28, 28) bool: node 0 with all, and nodes of one group or of one label with each other."""
    groups, labels = torch.tensor(GROUPS), torch.tensor(LABELS)
    first = torch.arange(len(GROUPS)) == 0
    return first[:, None] | first[None] | (groups[:, None] == groups[None]) | (labels[:, None] == labels[None])
