"""Phantom checkpoints of BLIP's family, once a session, and models loaded from them by the methods' own loaders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from medbench.capabilities import LoadRequest
from medbench_methods import blip, brain_blip

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from medbench_methods.nets.blip_model import BlipModel

FILES = {variant.id: variant.checkpoint.filename for variant in blip.SPEC.variants if variant.checkpoint}
BRAIN_FILES = {variant.id: variant.checkpoint.filename for variant in brain_blip.SPEC.variants if variant.checkpoint}
TEXTS = ["a mass in the left lobe", "no mass"]


def load_variant(root: Path, variant: str, file: Path | None = None) -> BlipModel:
    """``blip@variant`` from the phantoms under ``root``, or from ``file``."""
    path = file or root / FILES[variant]
    return blip.load(LoadRequest(variant=variant, checkpoint=path, assets=root))


def load_brain(root: Path, variant: str, file: Path | None = None) -> BlipModel:
    """``brain-blip@variant`` from the phantoms under ``root``, or from ``file``."""
    path = file or root / BRAIN_FILES[variant]
    return brain_blip.load(LoadRequest(variant=variant, checkpoint=path, assets=root))


def some_images(count: int = 2, size: int = 64) -> Tensor:
    """(count, 3, size, size): normalised noise, of a size that positions are interpolated to."""
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(5))
