"""What stands in an encoder where its file has no projection of images: images are served, texts are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from medbench.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor


class NoProjection(nn.Module):
    """The projection of a `DualEncoder` whose file has none: it raises `CheckpointError`, with ``said`` and what mends it."""

    def __init__(self, said: str, fix: str) -> None:
        super().__init__()
        self.said = said
        self.fix = fix

    def forward(self, features: Tensor) -> Tensor:
        """Raises `CheckpointError` for (B, embed_dim): images and texts cannot be compared."""
        raise CheckpointError(self.said, fix=self.fix)
