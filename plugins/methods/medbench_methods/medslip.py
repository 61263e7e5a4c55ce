"""MeDSLIP (2024): findings and places parted in the image, each asked for by a text query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.specs import CheckpointSource, MethodSpec, MethodVariant
from medbench_methods.observations import text_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from medbench.capabilities import LoadRequest
    from medbench.layouts import KeyReading, Shape
    from medbench_methods.nets.medslip_encoder import MedslipEncoder

CAPABILITIES = frozenset({"ImageEncoder", "DenseImageEncoder", "QueryClassifier", "Grounder"})
SPEC = MethodSpec(
    id="medslip",
    title="MeDSLIP",
    summary="Medical dual-stream language-image pre-training: a ResNet-50 whose features are asked for 75 findings and 51"
    " places.",
    variants=(
        MethodVariant(
            id="resnet50",
            title="ResNet-50",
            checkpoint=CheckpointSource(
                filename="medslip/MeDSLIP_resnet50.pth",
                url="https://huggingface.co/pykale/MeDSLIP",
                text_files=text_files("medslip"),
            ),
            capabilities=CAPABILITIES,
        ),
    ),
    loader="medbench_methods.medslip:load",
    phantom="medbench_methods.medslip:write_phantom",
    keys="medbench_methods.medslip:keys",
    licence="none stated in the authors' repository",
    citation="MeDSLIP: Medical Dual-Stream Language-Image Pre-training with Pathology-Anatomy Semantic Alignment,"
    " arXiv 2403.10635",
    code_url="https://github.com/Shef-AIRE/MeDSLIP",
    paper_url="https://arxiv.org/abs/2403.10635",
    # Lists of its own that are not said to be the official parts; no ImageNet weights.
    pretrained_on=("mimic-cxr",),
    tags=("chest-x-ray", "vision-language"),
)


def load(request: LoadRequest) -> MedslipEncoder:
    """The encoder in eval mode. Raises `MissingCheckpointError` and `CheckpointError`.

    The texts of its queries are read at the first `classify` or `ground`, from beside the checkpoint
    (`medbench_methods.nets.medslip_books`).
    """
    from medbench_methods.nets.medslip_loading import load_medslip

    return load_medslip(request)


def keys(variant: str, shapes: Mapping[str, Shape]) -> tuple[KeyReading, ...]:
    """What a file's keys are to MeDSLIP."""
    from medbench_methods.nets.medslip_loading import read_keys

    return read_keys(shapes)


def write_phantom(folder: Path, seed: int) -> list[Path]:
    """The checkpoint with drawn weights in the published form (85 MB), and drawn vectors of its texts beside it."""
    from medbench_methods.nets.medslip_phantom import write_medslip

    return write_medslip(folder, seed)
