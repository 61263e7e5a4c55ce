"""The standard fusion head, as mmengine trains it: words that look at frozen patches, and a classifier over answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import Dataset

from medbench_tasks.vqa.words import PADDING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medbench.mapped_rows import MappedRows
    from medbench_tasks.vqa.recipe import VqaRecipe


class FusionNet(BaseModel):  # type: ignore[misc]
    """Question tokens and patches in, a logit an answer out.

    A GRU reads the question; its last state looks at the patches through pre-norm transformer decoder layers, and is
    classified. The GRU is drawn anew, the same for every method: what differs between methods is then their image features
    alone, and not whose text tower saw more text. One state in place of all words keeps the head cheap enough for a CPU.

    ``vocabulary`` tokens, patches of ``grid`` x ``channels``, ``answers`` classes. What depends on the encoder's sizes is drawn
    last, so that all else starts alike for every encoder.
    """

    def __init__(self, recipe: VqaRecipe, *, vocabulary: int, answers: int, grid: int, channels: int) -> None:
        super().__init__(data_preprocessor=MoveFusionBatch())
        width = recipe.width
        self.words = nn.Embedding(vocabulary, width, padding_idx=PADDING)
        self.drop = nn.Dropout(recipe.dropout)
        self.reader = nn.GRU(width, width, batch_first=True)
        layer = nn.TransformerDecoderLayer(
            width, recipe.heads, 2 * width, recipe.dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.look = nn.TransformerDecoder(layer, recipe.layers, nn.LayerNorm(width))
        self.head = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(recipe.dropout), nn.Linear(2 * width, answers)
        )
        self.patches = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, width))
        self.grid = nn.Parameter(0.02 * torch.randn(grid, width))

    def init_weights(self) -> None:
        """Nothing: the weights are drawn when it is made."""

    def forward(
        self, inputs: tuple[Tensor, Tensor], data_samples: Tensor, mode: str = "tensor"
    ) -> dict[str, Tensor] | list[Tensor] | Tensor:
        """Patches (B, T, C) with tokens (B, L), and right answers (B, K) as 1.

        ``loss`` gives the mean cross-entropy against the right answers in equal shares, ``predict`` a list of B logits (K,), on
        the CPU.
        """
        patches, tokens = inputs
        states, _ = self.reader(self.drop(self.words(tokens)))
        last = (tokens != PADDING).sum(dim=1) - 1
        asked = states[torch.arange(len(tokens), device=tokens.device), last]
        seen = self.look(asked[:, None], self.patches(patches) + self.grid)
        logits: Tensor = self.head(seen[:, 0]).float()
        if mode == "loss":
            return {"loss": cross_entropy(logits, data_samples / data_samples.sum(dim=1, keepdim=True))}
        return list(logits.cpu()) if mode == "predict" else logits


class MoveFusionBatch(BaseDataPreprocessor):  # type: ignore[misc]
    """A batch of `medbench_tasks.pyramid.collate` -> the same on the model's device, the right answers stacked (B, K)."""

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """``inputs`` are patches (B, T, C) and tokens (B, L)."""
        patches, tokens = (one.to(self.device, non_blocking=True) for one in data["inputs"])
        right = torch.stack(data["data_samples"]).to(self.device, non_blocking=True)
        return {"inputs": (patches.float(), tokens), "data_samples": right}


class FusionItems(Dataset):  # type: ignore[type-arg]
    """Questions with the patches of their images: ``inputs`` (T, C) and (L,), ``data_samples`` (K,) right answers.

    ``patches`` has a row a picture, ``index`` (N,) the row of each question's; ``tokens`` is (N, L), ``right`` (N, K).
    """

    def __init__(
        self,
        patches: MappedRows | NDArray[np.float32],
        index: NDArray[np.int64],
        tokens: NDArray[np.int64],
        right: NDArray[np.float32],
    ) -> None:
        self._patches = patches
        self._index = index
        self._tokens = torch.from_numpy(tokens)
        self._right = torch.from_numpy(right)

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> dict[str, Any]:
        patches = torch.from_numpy(self._patches[int(self._index[index])])
        return {"inputs": (patches, self._tokens[index]), "data_samples": self._right[index]}
