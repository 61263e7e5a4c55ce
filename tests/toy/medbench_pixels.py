"""A method plugin of a few lines: coarse pixels as features, a text tower over words, and one that answers with NaN."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any

from medbench.hookspecs import hookimpl
from medbench.specs import MethodSpec, MethodVariant

_IMAGE = frozenset({"ImageEncoder"})
METHOD = MethodSpec(
    id="pixels",
    title="Coarse pixels",
    summary="Each image at 8 x 8 pixels.",
    licence="CC0-1.0",
    pretrained_on=(),
    loader="medbench_pixels:load",
    variants=(
        MethodVariant(id="grid", title="8 x 8", checkpoint=None, capabilities=_IMAGE),
        MethodVariant(id="words", title="with texts", checkpoint=None, capabilities=_IMAGE | {"TextEncoder"}),
        MethodVariant(id="nan", title="broken", checkpoint=None, capabilities=_IMAGE),
    ),
)


@hookimpl
def medbench_methods() -> list[MethodSpec]:
    return [METHOD]


def load(request: Any) -> Any:
    """The encoder; each load is told to the file that ``PIXELS_LOADS`` names."""
    import torch

    from medbench.capabilities import Preprocess

    if os.environ.get("PIXELS_LOADS"):
        with Path(os.environ["PIXELS_LOADS"]).open("a") as file:
            file.write(f"{request.variant}\n")

    class Pixels(torch.nn.Module):
        preprocess = Preprocess(resize=32, mode="pad", crop=32, mean=(0, 0, 0), std=(1, 1, 1))
        embed_dim = 64
        joint_dim = 64

        def encode_images(self, images: torch.Tensor) -> torch.Tensor:
            features = torch.nn.functional.adaptive_avg_pool2d(images[:, 0], 8).flatten(1)
            return features * float("nan") if request.variant == "nan" else features

        def encode_texts(self, texts: list[str]) -> torch.Tensor:
            rows = []
            for text in texts:
                generator = torch.Generator().manual_seed(zlib.crc32(text[:200].encode()))
                rows.append(torch.randn(64, generator=generator))
            return torch.stack(rows)

        def project_images(self, features: torch.Tensor) -> torch.Tensor:
            return features

    return Pixels().eval()
