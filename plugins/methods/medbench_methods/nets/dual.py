"""An encoder whose images and texts meet in one space, its text tower read when it is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medbench_methods.nets.encoders import VisionEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from medbench.capabilities import Preprocess
    from medbench_methods.nets.bert import BertTower


class DualEncoder(VisionEncoder):
    """A `VisionEncoder` with a projection of its features: a `TextEncoder` too, whose tower is what ``read_texts`` gives.

    ``projection`` takes (B, embed_dim) to (B, joint_dim). Nothing returned is L2-normalised.
    """

    def __init__(self, trunk: Any, preprocess: Preprocess, projection: nn.Module, joint_dim: int) -> None:
        super().__init__(trunk, preprocess)
        self.projection = projection
        self.joint_dim = joint_dim
        self.read_texts: Callable[[], BertTower] | None = None
        self._texts: BertTower | None = None

    def project_images(self, features: Tensor) -> Tensor:
        """(B, embed_dim) from `encode_images` -> (B, joint_dim)."""
        projected: Tensor = self.projection(features)
        return projected

    def encode_texts(self, texts: list[str]) -> Tensor:
        """B texts -> (B, joint_dim). Raises as the reading of the tower does when it is first called."""
        vectors: Tensor = self.texts(texts)
        return vectors

    @property
    def texts(self) -> BertTower:
        """The text tower, on the trunk's device."""
        if self._texts is None:
            if self.read_texts is None:
                raise RuntimeError("this encoder was made without a text tower")
            self._texts = self.read_texts().to(next(self.trunk.parameters()).device)
        return self._texts
