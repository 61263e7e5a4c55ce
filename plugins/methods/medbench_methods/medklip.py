"""MedKLIP (ICCV 2023): a radiograph's patches asked for 75 observations, each by a sentence that explains it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.layouts import Layout
from medbench.specs import CheckpointSource, MethodSpec, MethodVariant
from medbench_methods.known import IMAGES, functions_of, offer
from medbench_methods.observations import text_files

if TYPE_CHECKING:
    from pathlib import Path

    from medbench.capabilities import LoadRequest
    from medbench_methods.nets.medklip_net import MedklipEncoder
    from medbench_methods.nets.shapes import Published

_DRIVE = "https://drive.google.com/drive/folders/1HBShH7J_pO8onkzuweDgDq2QPqj6zjG_"
_BENCHX = "https://huggingface.co/youngzhou12/MedKLIP"
LAYOUT = Layout(name="MedKLIP's training file", renames={"net.**": "**"}, ignore=("cl_fc.**",))


def _variant(name: str, title: str, file: str, url: str, seen: str) -> MethodVariant:
    source = CheckpointSource(filename=f"medklip/{file}", url=url, text_files=text_files("medklip"))
    capabilities = IMAGES | {"QueryClassifier", "Grounder"}
    return MethodVariant(id=name, title=title, checkpoint=source, capabilities=capabilities, pretrained_on=(seen,))


SPEC = MethodSpec(
    id="medklip",
    title="MedKLIP",
    summary="Medical knowledge enhanced pre-training: a ResNet-50 to layer3, whose patches are asked for 75 findings.",
    variants=(
        _variant("resnet50", "ResNet-50", "checkpoint_final.pth", _DRIVE, "mimic-cxr"),
        _variant("resnet50-benchx", "ResNet-50 (BenchX)", "MedKLIP.pth", _BENCHX, "mimic-cxr:train"),
    ),
    licence="none stated in the authors' repository; MIT for BenchX's weights",
    citation="Wu et al., MedKLIP: Medical Knowledge Enhanced Language-Image Pre-Training for X-ray Diagnosis, ICCV 2023",
    code_url="https://github.com/MediaBrain-SJTU/MedKLIP",
    paper_url="https://arxiv.org/abs/2301.02228",
    pretrained_on=("mimic-cxr",),
    tags=("chest-x-ray", "vision-language"),
    **functions_of(__name__),
)


def published(variant: str) -> Published:
    """Both variants: what the training script saves, with the projection that contrast alone needed."""
    from medbench_methods.nets.medklip_files import container
    from medbench_methods.nets.medklip_net import make_medklip
    from medbench_methods.nets.shapes import Part, Published

    spare = {"cl_fc.weight": (768, 256), "cl_fc.bias": (768,)}
    return Published(images=(Part(make=make_medklip, layouts=(LAYOUT,)),), container=container, spare=spare)


_OFFER = offer(SPEC, published)
keys = _OFFER.keys


def load(request: LoadRequest) -> MedklipEncoder:
    """As `offer` has it; the texts are read at the first `classify` or `ground`, from beside the checkpoint."""
    from medbench_methods.nets.medklip_files import with_texts

    return with_texts(_OFFER.load(request), request)


def write_phantom(folder: Path, seed: int, *, variants: tuple[str, ...] | None = None) -> list[Path]:
    """As `offer` has it, and drawn vectors of the texts beside the checkpoint."""
    from medbench_methods.nets.medklip_files import write_drawn_texts

    write_drawn_texts(folder, seed)
    return _OFFER.write_phantom(folder, seed, variants=variants)
