"""What is asked of a frozen encoder, said before it is asked: the need of most protocols, and a need's pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medbench.asked import AskedPictures
from medbench.protocols import FeatureNeed

if TYPE_CHECKING:
    from torch import Tensor

    from medbench.capabilities import Preprocess
    from medbench.manifest import Manifest, Which


def image_need(manifest: Manifest, *, preprocess: Preprocess | None = None, image: Which = "image") -> FeatureNeed:
    """`ImageEncoder.encode_images`, as `medbench.features.Features.encode` asks for it."""
    return FeatureNeed(name="image", apply=_encode_images, manifest=manifest, preprocess=preprocess, image=image)


def asked_of(need: FeatureNeed) -> AskedPictures:
    """The pictures of a need."""
    return AskedPictures(need.manifest, need.image, studies=need.studies)


def _encode_images(model: Any, images: Tensor) -> Tensor:
    features: Tensor = model.encode_images(images)
    return features
