"""MedST (ICML 2024): MGCA's alignment, with an expert for lateral views and a loss over a patient's studies in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.specs import CheckpointSource, MethodSpec, MethodVariant
from medbench_methods.vocabulary import CLINICAL_BERT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from medbench.capabilities import LoadRequest
    from medbench.layouts import KeyReading, Shape
    from medbench_methods.nets.multiview import MultiViewEncoder

CAPABILITIES = frozenset({"ImageEncoder", "DenseImageEncoder", "TextEncoder"})
_URL = "https://github.com/SVT-Yang/MedST"

SPEC = MethodSpec(
    id="medst",
    title="Med-ST",
    summary="Spatial and temporal alignment of chest radiographs and reports: frontal and lateral experts in a ViT-B/16.",
    variants=(
        MethodVariant(
            id="vit-b16",
            title="ViT-B/16 with lateral experts",
            checkpoint=CheckpointSource(filename="medst/vit_base.ckpt", url=_URL, text_files=CLINICAL_BERT.files),
            capabilities=CAPABILITIES,
        ),
        MethodVariant(
            id="resnet50",
            title="ResNet-50 (frontal only; the released code builds and evaluates it but cannot pre-train it)",
            checkpoint=CheckpointSource(filename="medst/resnet_50.ckpt", url=_URL, text_files=CLINICAL_BERT.files),
            capabilities=CAPABILITIES,
        ),
    ),
    loader="medbench_methods.medst:load",
    phantom="medbench_methods.medst:write_phantom",
    keys="medbench_methods.medst:keys",
    licence="see the authors' repository",
    citation="Yang et al., Unlocking the Power of Spatial and Temporal Information in Medical Multimodal Pre-training,"
    " ICML 2024, PMLR 235:56382-56396",
    code_url="https://github.com/SVT-Yang/MedST",
    paper_url="https://arxiv.org/abs/2405.19654",
    # The official training part alone, but it starts from MGCA's checkpoint, which was validated on the test images too.
    pretrained_on=("mimic-cxr", "imagenet"),
    tags=("chest-x-ray", "vision-language", "temporal"),
)


def load(request: LoadRequest) -> MultiViewEncoder:
    """The encoder of the asked variant, in eval mode. Raises `MissingCheckpointError` and `CheckpointError`."""
    from medbench_methods.nets.families import MEDST, MGCA
    from medbench_methods.nets.family import load_family
    from medbench_methods.nets.multiview import MultiViewEncoder

    return load_family(request, MEDST, (MGCA,), MultiViewEncoder)


def keys(variant: str, shapes: Mapping[str, Shape]) -> tuple[KeyReading, ...]:
    """What a file's keys are to a variant."""
    from medbench_methods.nets.families import MEDST
    from medbench_methods.nets.family import read_family

    return read_family(MEDST, variant, shapes)


def write_phantom(folder: Path, seed: int, *, variants: tuple[str, ...] | None = None) -> list[Path]:
    """Checkpoints with drawn weights in the published form; the default variant (0.95 GB) where none is named."""
    from medbench_methods.nets.families import MEDST
    from medbench_methods.nets.family_phantom import write_family

    names = variants or (SPEC.variants[0].id,)
    constructor = {"emb_dim": 128, "softmax_temperature": 0.07, "huber_delta": 2.0}
    return write_family(folder, MEDST, names, seed, constructor)
