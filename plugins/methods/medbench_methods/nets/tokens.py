"""Token ids beside the mask that tells them from padding."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Tokens(NamedTuple):
    """Ids and attention mask of B texts, both (B, T) int64; padding stands at the end and has mask 0."""

    ids: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> Tokens:
        """The same on ``device``."""
        return Tokens(self.ids.to(device), self.mask.to(device))

    def rows_by_length(self) -> dict[int, Tensor]:
        """The rows of each length in tokens, on the mask's device: together they need no padding."""
        lengths = self.mask.sum(dim=1)
        return {length: (lengths == length).nonzero()[:, 0] for length in lengths.unique().tolist()}
