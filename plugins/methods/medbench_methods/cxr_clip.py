"""CXR-CLIP (MICCAI 2023): radiographs with their reports, or with sentences made of labels. Images alone are offered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.capabilities import Preprocess
from medbench.layouts import Layout
from medbench.specs import MethodSpec
from medbench_methods.known import functions_of, offer, variant
from medbench_methods.normalisation import HALF

if TYPE_CHECKING:
    from medbench_methods.nets.shapes import Published

M, C, C14 = "mimic-cxr", "chexpert", "chestx-ray14"
SPARE = ("image_projection.**", "text_encoder.**", "text_projection.**", "logit_scale", "logit_scale.**")
RESNET, SWIN = "image_encoder.resnet.", "image_encoder.image_encoder."
PREPROCESS = Preprocess(resize=224, mode="shorter", crop=224, mean=HALF, std=HALF, interpolation="bilinear")
"""Its configuration's default, which ImageNet's statistics may replace; the aspect kept, bilinearly, is our choice."""
_CODE = "https://github.com/kakaobrain/cxr-clip"
SPEC = MethodSpec(
    id="cxr-clip",
    title="CXR-CLIP",
    summary="Images, reports and sentences made of labels in one space: the image encoder, a ResNet-50 or a Swin-Tiny, by"
    " the data seen.",
    variants=(
        variant("r50-m", "ResNet-50 (MIMIC-CXR)", "cxr-clip/r50_m.tar", _CODE, (M,)),
        variant("r50-mc", "ResNet-50 (and CheXpert)", "cxr-clip/r50_mc.tar", _CODE, (M, C)),
        variant("r50-mcc", "ResNet-50 (and ChestX-ray14)", "cxr-clip/r50_mcc.tar", _CODE, (M, C, C14)),
        variant("swint-m", "Swin-Tiny (MIMIC-CXR)", "cxr-clip/swint_m.tar", _CODE, (M,)),
        variant("swint-mc", "Swin-Tiny (and CheXpert)", "cxr-clip/swint_mc.tar", _CODE, (M, C)),
        variant("swint-mcc", "Swin-Tiny (and ChestX-ray14)", "cxr-clip/swint_mcc.tar", _CODE, (M, C, C14)),
    ),
    licence="CC BY-NC-SA 4.0",
    citation="You et al., CXR-CLIP: Toward Large Scale Chest X-ray Language-Image Pre-training, MICCAI 2023",
    code_url=_CODE,
    paper_url="https://arxiv.org/abs/2310.13292",
    pretrained_on=(M,),
    tags=("chest-x-ray", "vision-language"),
    **functions_of(__name__),
)


def published(variant: str) -> Published:
    """Features are those before the projection: the mean of ``layer4``, or of the tokens as Swin's pooler (our choice)."""
    from medbench_methods.nets.shapes import Published, ResNetTrunk, image_part
    from medbench_methods.nets.swin import SwinTrunk, positions_under, stored_under

    if variant.startswith("swint"):
        trunk, names, places = SwinTrunk, stored_under(SWIN), positions_under(SWIN)
    else:
        trunk, names, places = ResNetTrunk, {"trunk.net.**": f"{RESNET}**"}, {}
    layout = Layout(name="CXR-CLIP's trainer file", renames=names, ignore=(*SPARE, *places))
    return Published(
        images=(image_part(trunk, PREPROCESS, layout),),
        container=lambda state: {
            "model": state,
            "optimizer": {},
            "scheduler": {},
            "config": {},
            "epoch": 1,
            "train_loss": 0.0,
        },
        spare={"image_projection.projection.weight": (512, trunk.embed_dim)} | places,
    )


load, write_phantom, keys = offer(SPEC, published)
