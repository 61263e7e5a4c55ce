"""Models of the open families that people look for by a name of their own, with what each was pretrained on.

Each is loaded by its family; only what the family cannot know stands here. Its phantoms are small nets of the same kind
(`medbench_methods.nets.ready_phantoms`).
"""

from __future__ import annotations

from medbench.specs import UNDISCLOSED, CheckpointSource, MethodSpec, MethodVariant
from medbench_methods import hf_family, open_clip_family

_IMAGES = frozenset({"ImageEncoder", "DenseImageEncoder"})
_IMAGES_AND_TEXTS = _IMAGES | {"TextEncoder"}
_PHANTOMS = "medbench_methods.nets.ready_phantoms"
BIOMEDCLIP_MODEL = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"


def _hf(variant: str, title: str, repo: str, capabilities: frozenset[str]) -> MethodVariant:
    return MethodVariant(
        id=variant,
        title=title,
        checkpoint=CheckpointSource(
            filename=f"hf/{repo}/model.safetensors", url=f"https://huggingface.co/{repo} (hf download {repo})"
        ),
        capabilities=capabilities,
        name=repo,
        stands_for=f"hf/{repo}",
    )


RAD_DINO = MethodSpec(
    id="rad-dino",
    title="RAD-DINO",
    summary="DINOv2 trained on chest radiographs alone, without reports: a ViT-B/14 at 518 pixels.",
    variants=(_hf("base", "ViT-B/14", "microsoft/rad-dino", _IMAGES),),
    loader=hf_family.SPEC.loader,
    phantom=f"{_PHANTOMS}:write_rad_dino",
    licence="MIT (since 2025; earlier revisions MSRLA)",
    code_url="https://huggingface.co/microsoft/rad-dino",
    pretrained_on=("mimic-cxr", "chexpert", "chestx-ray14", "padchest", "brax"),
    tags=("chest-x-ray", "vision-only"),
)
BIOMEDCLIP = MethodSpec(
    id="biomedclip",
    title="BiomedCLIP",
    summary="CLIP on figures and captions of biomedical papers: a ViT-B/16 and PubMedBERT. Needs the extra open-clip.",
    variants=(
        MethodVariant(
            id="vit-b16",
            title="ViT-B/16",
            checkpoint=CheckpointSource(
                filename=f"open_clip/{BIOMEDCLIP_MODEL}/open_clip_pytorch_model.bin",
                url=f"https://huggingface.co/{BIOMEDCLIP_MODEL}",
                hub=BIOMEDCLIP_MODEL,
            ),
            capabilities=open_clip_family.CAPABILITIES,
            name=BIOMEDCLIP_MODEL,
            stands_for=f"open_clip/{BIOMEDCLIP_MODEL}",
        ),
    ),
    loader=open_clip_family.SPEC.loader,
    phantom=f"{_PHANTOMS}:write_biomedclip",
    licence="MIT",
    code_url=f"https://huggingface.co/{BIOMEDCLIP_MODEL}",
    pretrained_on=("pmc-15m", "pmc"),  # what PMC-15M is drawn from, as other datasets' figures are
    tags=("biomedical", "vision-language"),
)
PUBMEDCLIP = MethodSpec(
    id="pubmedclip",
    title="PubMedCLIP",
    summary="CLIP, fine-tuned on ROCO's figures and captions.",
    variants=(_hf("vit-b32", "ViT-B/32", "flaviagiammarino/pubmed-clip-vit-base-patch32", _IMAGES_AND_TEXTS),),
    loader=hf_family.SPEC.loader,
    phantom=f"{_PHANTOMS}:write_pubmedclip",
    licence="MIT",
    code_url="https://huggingface.co/flaviagiammarino/pubmed-clip-vit-base-patch32",
    pretrained_on=("roco", UNDISCLOSED),  # it starts from CLIP
    tags=("biomedical", "vision-language"),
)
DINOV2 = MethodSpec(
    id="dinov2",
    title="DINOv2",
    summary="Self-distillation on curated natural images: what a radiograph encoder without texts has to beat.",
    variants=(
        _hf("base", "ViT-B/14", "facebook/dinov2-base", _IMAGES),
        _hf("large", "ViT-L/14", "facebook/dinov2-large", _IMAGES),
    ),
    loader=hf_family.SPEC.loader,
    phantom=f"{_PHANTOMS}:write_dinov2",
    licence="as its model card says",
    code_url="https://huggingface.co/facebook/dinov2-base",
    pretrained_on=("lvd-142m",),
    tags=("baseline", "vision-only"),
)
CLIP = MethodSpec(
    id="clip",
    title="CLIP",
    summary="Images and texts of the web, which ones nobody says: where most medical CLIPs start.",
    variants=(
        _hf("vit-b32", "ViT-B/32", "openai/clip-vit-base-patch32", _IMAGES_AND_TEXTS),
        _hf("vit-b16", "ViT-B/16", "openai/clip-vit-base-patch16", _IMAGES_AND_TEXTS),
    ),
    loader=hf_family.SPEC.loader,
    phantom=f"{_PHANTOMS}:write_clip",
    licence="as its model card says",
    code_url="https://huggingface.co/openai/clip-vit-base-patch32",
    pretrained_on=None,
    tags=("baseline", "vision-language"),
)
SPECS = (RAD_DINO, BIOMEDCLIP, PUBMEDCLIP, DINOV2, CLIP)
