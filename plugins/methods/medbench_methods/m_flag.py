"""M-FLAG (MICCAI 2023): a ResNet-50 taught by a frozen CXR-BERT, its features kept orthogonal. The weights are BenchX's.

The training code writes two files: the whole model, and the ResNet alone, which serves images and no texts. Both projections
are taken to be built alike: Linear, BatchNorm, ReLU, Linear and BatchNorm without affine.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from medbench.layouts import Layout
from medbench.specs import MethodSpec
from medbench_methods.known import functions_of, offer, variant
from medbench_methods.normalisation import HALF
from medbench_methods.vocabulary import CXR_BERT

if TYPE_CHECKING:
    from medbench_methods.nets.shapes import Published

WHOLE = "M-FLAG's whole model"
IMAGES = Layout(
    name=WHOLE,
    renames={"trunk.net.**": "encoder.**", "projection.**": "proj_v.**"},
    ignore=("proj_t.**", "lm_model.**"),
)
# A whole file whose projections are of another form serves images all the same.
TRUNK = Layout(name="M-FLAG's encoder alone", renames={"trunk.net.**": "**"})
TEXTS = Layout(
    name=WHOLE,
    renames={"bert.**": "lm_model.**", "projection.**": "proj_t.**"},
    ignore=("lm_model.pooler.**", "encoder.**", "proj_v.**"),
)
_CARD = "https://huggingface.co/youngzhou12/M-FLAG"
SPEC = MethodSpec(
    id="m-flag",
    title="M-FLAG",
    summary="A ResNet-50 aligned with a frozen CXR-BERT through an orthogonality loss; the weights are BenchX's.",
    variants=(variant("resnet50", "ResNet-50 (BenchX)", "m-flag/M-FLAG.pth", _CARD, ("mimic-cxr:train",), CXR_BERT),),
    licence="MIT",
    citation="Liu et al., M-FLAG: Medical Vision-Language Pre-training with Frozen Language Models and Latent Space Geometry"
    " Optimization, MICCAI 2023",
    code_url="https://github.com/cheliu-computation/M-FLAG-MICCAI2023",
    paper_url="https://arxiv.org/abs/2307.08347",
    pretrained_on=("mimic-cxr:train",),
    tags=("chest-x-ray", "vision-language"),
    **functions_of(__name__),
)


def published(variant: str) -> Published:
    """Features are the mean of ``layer4``; projections lead to 1024 dimensions, texts (512 tokens) from their [CLS].

    The evaluation's transform is nowhere said: the shorter side to 256, a centre crop of 224 and 0.5 are our choice.
    """
    from medbench.capabilities import Preprocess
    from medbench_methods.nets import shapes
    from medbench_methods.nets.no_projection import NoProjection
    from medbench_methods.nets.projection import normed_mlps

    preprocess = Preprocess(resize=256, mode="shorter", crop=224, mean=HALF, std=HALF, interpolation="bilinear")
    absent = partial(
        NoProjection, "this M-FLAG checkpoint holds the encoder alone, no proj_v", "use the whole M-FLAG.pth"
    )
    reading = shapes.Reading(vocabulary=CXR_BERT, length=512, padding="longest", pool=shapes.cls_token)
    return shapes.Published(
        images=(
            *(
                shapes.dual_part(shapes.ResNetTrunk, preprocess, head, 1024, IMAGES)
                for head in normed_mlps(2048, 2048, 1024)
            ),
            shapes.dual_part(shapes.ResNetTrunk, preprocess, absent, 1024, TRUNK),
        ),
        texts=[shapes.text_part(reading, TEXTS, projection=head) for head in normed_mlps(768, 2048, 1024)],
        spare={"lm_model.pooler.dense.weight": (768, 768), "lm_model.pooler.dense.bias": (768,)},
    )


load, write_phantom, keys = offer(SPEC, published)
