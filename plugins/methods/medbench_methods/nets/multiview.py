"""MedST's encoder: frontal and lateral views apart or together (the Med-ST release)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from medbench.errors import UsageError
from medbench_methods.nets.aligned import AlignedEncoder
from medbench_methods.nets.lateral import LateralViTTrunk

if TYPE_CHECKING:
    from torch import Tensor

    from medbench_methods.nets.lateral import View


class Views(NamedTuple):
    """CLS over both views (B, 768) and the tokens of the frontal, then the lateral one (B, 392, 768)."""

    features: Tensor
    tokens: Tensor


class MultiViewEncoder(AlignedEncoder):
    """An `AlignedEncoder` that knows lateral views; every released evaluation uses frontal ones alone.

    The ResNet-50 variant has no lateral expert: as published, it treats a lateral view like a frontal one.
    """

    def encode_images(self, images: Tensor, view: View = "frontal") -> Tensor:
        """(B, 3, H, W) of one view, for any B -> (B, embed_dim)."""
        return self._single(images, view)[0]

    def encode_local(self, images: Tensor, view: View = "frontal") -> Tensor:
        """(B, 3, H, W) of one view -> local tokens (B, T, C), row-major."""
        return self._single(images, view)[1]

    def encode_views(self, frontal: Tensor, lateral: Tensor, has_lateral: Tensor) -> Views:
        """Both views at once; ``has_lateral`` is (B,) bool, and where false CLS is that of the frontal view alone.

        Raises `UsageError` for the ResNet-50 variant.
        """
        if not isinstance(self.trunk, LateralViTTrunk):
            raise UsageError("medst@resnet50 reads one view at a time", fix="use medst@vit-b16")
        return Views(*self.trunk.pair_features(frontal, lateral, has_lateral))

    def _single(self, images: Tensor, view: View) -> tuple[Tensor, Tensor]:
        if isinstance(self.trunk, LateralViTTrunk):
            return self.trunk.view_features(images, view)
        features: tuple[Tensor, Tensor] = self.trunk.features(images)
        return features
