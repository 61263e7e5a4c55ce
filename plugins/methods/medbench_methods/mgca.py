"""MGCA (NeurIPS 2022): images and reports aligned at the level of the pair, of regions and words, and of diseases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.specs import CheckpointSource, MethodSpec, MethodVariant
from medbench_methods.vocabulary import CLINICAL_BERT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from medbench.capabilities import LoadRequest
    from medbench.layouts import KeyReading, Shape
    from medbench_methods.nets.aligned import AlignedEncoder

CAPABILITIES = frozenset({"ImageEncoder", "DenseImageEncoder", "TextEncoder"})
_URL = "https://github.com/HKU-MedAI/MGCA#pre-trained-models"

SPEC = MethodSpec(
    id="mgca",
    title="MGCA",
    summary="Multi-granularity cross-modal alignment of chest radiographs and reports, with a ResNet-50 or a ViT-B/16.",
    variants=(
        MethodVariant(
            id="resnet50",
            title="ResNet-50",
            checkpoint=CheckpointSource(filename="mgca/resnet_50.ckpt", url=_URL, text_files=CLINICAL_BERT.files),
            capabilities=CAPABILITIES,
        ),
        MethodVariant(
            id="vit-b16",
            title="ViT-B/16",
            checkpoint=CheckpointSource(filename="mgca/vit_base.ckpt", url=_URL, text_files=CLINICAL_BERT.files),
            capabilities=CAPABILITIES,
        ),
    ),
    loader="medbench_methods.mgca:load",
    phantom="medbench_methods.mgca:write_phantom",
    keys="medbench_methods.mgca:keys",
    licence="see the authors' repository",
    citation="Wang et al., Multi-Granularity Cross-modal Alignment for Generalized Medical Visual Representation Learning,"
    " NeurIPS 2022",
    code_url="https://github.com/HKU-MedAI/MGCA",
    paper_url="https://arxiv.org/abs/2210.06044",
    # Trained on the official training part from ImageNet weights; but the official validation and test parts together are
    # what it is validated on, and stopped and kept by, so that the test images have been seen.
    pretrained_on=("mimic-cxr", "imagenet"),
    tags=("chest-x-ray", "vision-language"),
)


def load(request: LoadRequest) -> AlignedEncoder:
    """The encoder of the asked variant, in eval mode. Raises `MissingCheckpointError` and `CheckpointError`."""
    from medbench_methods.nets.aligned import AlignedEncoder
    from medbench_methods.nets.families import MEDST, MGCA
    from medbench_methods.nets.family import load_family

    return load_family(request, MGCA, (MEDST,), AlignedEncoder)


def keys(variant: str, shapes: Mapping[str, Shape]) -> tuple[KeyReading, ...]:
    """What a file's keys are to a variant."""
    from medbench_methods.nets.families import MGCA
    from medbench_methods.nets.family import read_family

    return read_family(MGCA, variant, shapes)


def write_phantom(folder: Path, seed: int, *, variants: tuple[str, ...] | None = None) -> list[Path]:
    """Checkpoints with drawn weights in the published form; the default variant (0.45 GB) where none is named."""
    from medbench_methods.nets.families import MGCA
    from medbench_methods.nets.family_phantom import write_family

    names = variants or (SPEC.variants[0].id,)
    constructor = {"emb_dim": 128, "softmax_temperature": 0.07, "num_prototypes": 500}
    return write_family(folder, MGCA, names, seed, constructor)
