"""CheXzero: OpenAI's CLIP, trained further on radiographs and the impressions of their reports. Needs the extra open-clip.

The release scores a finding by the softmax over a positive and a negative prompt, without CLIP's scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.specs import UNDISCLOSED, CheckpointSource, MethodSpec, MethodVariant
from medbench_methods.known import functions_of
from medbench_methods.open_clip_family import CAPABILITIES, require_open_clip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from medbench.capabilities import LoadRequest
    from medbench.layouts import KeyReading, Shape
    from medbench_methods.nets.chexzero_encoder import CheXzeroEncoder

FILE = "chexzero/best_64_5e-05_original_22000_0.864.pt"

SPEC = MethodSpec(
    id="chexzero",
    title="CheXzero",
    summary="CLIP's ViT-B/32, trained on chest radiographs with the impressions of their reports. Needs the extra open-clip.",
    variants=(
        MethodVariant(
            id="vit-b32",
            title="ViT-B/32",
            checkpoint=CheckpointSource(filename=FILE, url="https://github.com/rajpurkarlab/CheXzero"),
            capabilities=CAPABILITIES,
        ),
    ),
    licence="MIT",
    code_url="https://github.com/rajpurkarlab/CheXzero",
    pretrained_on=("mimic-cxr", UNDISCLOSED),  # it starts from CLIP
    tags=("chest-x-ray", "vision-language"),
    **functions_of(__name__),
)


def load(request: LoadRequest) -> CheXzeroEncoder:
    """Both towers in eval mode, every tensor from the file.

    Raises `PluginError` where open_clip is not installed, `MissingCheckpointError` without a file, and `CheckpointError` for
    one that is damaged or whose keys are not those of this CLIP.
    """
    require_open_clip()
    from medbench_methods.nets.chexzero_encoder import load_chexzero

    return load_chexzero(request)


def write_phantom(folder: Path, seed: int) -> list[Path]:
    """A file with drawn weights of smaller towers, in the published layout."""
    from medbench_methods.nets.chexzero_phantom import write_chexzero

    return [write_chexzero(folder / FILE, seed)]


def keys(variant: str, shapes: Mapping[str, Shape]) -> Sequence[KeyReading]:
    """What a file's keys are to both towers."""
    from medbench_methods.nets.chexzero_layout import read_keys

    return read_keys(shapes)
