"""ConVIRT (MLHC 2022): images and reports aligned as wholes. The authors published neither code nor weights.

BenchX retrained it, with a BERT that it does not name: Bio_ClinicalBERT is our guess. An open code (edreisMD) makes weights of
one's own. Our choice: images are squashed to 224 bilinearly, and edreisMD's texts cut at BenchX's 97 tokens too.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from medbench.layouts import Layout
from medbench.specs import MethodSpec
from medbench_methods.known import functions_of, offer, variant
from medbench_methods.normalisation import IMAGENET
from medbench_methods.vocabulary import CLINICAL_BERT

if TYPE_CHECKING:
    from medbench_methods.nets.shapes import Published

_CARD, _CODE = "https://huggingface.co/youngzhou12/ConVIRT", "https://github.com/edreisMD/ConVIRT-pytorch"
BENCHX_IMAGES = Layout(
    name="BenchX's ConVIRT",
    renames={"trunk.net.**": "visual.model.**", "projection.**": "vis_proj.**"},
    ignore=("visual.model.fc.**", "linguistic.**", "lin_proj.**"),
)
BENCHX_TEXTS = Layout(
    name=BENCHX_IMAGES.name,
    renames={"bert.**": "linguistic.encoder.**", "projection.**": "lin_proj.**"},
    ignore=("visual.**", "vis_proj.**"),
)
OPEN_IMAGES = Layout(
    name="edreisMD's ConVIRT",
    renames={"trunk.net.conv1.**": "res_features.0.**", "trunk.net.bn1.**": "res_features.1.**"}
    | {f"trunk.net.layer{stage}.**": f"res_features.{stage + 3}.**" for stage in range(1, 5)}
    | {"projection.0.**": "res_l1.**", "projection.2.**": "res_l2.**"},
    ignore=("bert_model.**", "bert_l1.**", "bert_l2.**"),
)
OPEN_TEXTS = Layout(
    name="edreisMD's ConVIRT",
    renames={"bert.**": "bert_model.**", "projection.0.**": "bert_l1.**", "projection.2.**": "bert_l2.**"},
    ignore=("bert_model.pooler.**", "res_features.**", "res_l1.**", "res_l2.**"),
)
SPEC = MethodSpec(
    id="convirt",
    title="ConVIRT",
    summary="Contrastive learning of chest radiographs and their reports: a ResNet-50, retrained by BenchX.",
    variants=(
        variant("resnet50", "ResNet-50 (BenchX)", "convirt/ConVIRT.pth", _CARD, ("mimic-cxr:train",), CLINICAL_BERT),
        variant("resnet50-edreismd", "ResNet-50 (edreisMD)", "convirt/model.pth", _CODE, None, CLINICAL_BERT),
    ),
    licence="MIT",
    code_url=_CODE,
    citation="Zhang et al., Contrastive Learning of Medical Visual Representations from Paired Images and Text, MLHC 2022",
    paper_url="https://arxiv.org/abs/2010.00747",
    tags=("chest-x-ray", "vision-language"),
    **functions_of(__name__),
)


def published(variant: str) -> Published:
    """Features are the mean of ``layer4``; two linear layers lead to the texts, in 768 dimensions or edreisMD's 512."""
    from medbench.capabilities import Preprocess
    from medbench_methods.nets import shapes

    benchx = variant == "resnet50"
    images, texts = (BENCHX_IMAGES, BENCHX_TEXTS) if benchx else (OPEN_IMAGES, OPEN_TEXTS)
    hidden, joint, pool = (768, 768, shapes.pooler_output) if benchx else (2048, 512, shapes.mean_of_tokens)
    preprocess = Preprocess(resize=224, mode="squash", crop=224, interpolation="bilinear", **IMAGENET)
    project = partial(shapes.mlp, 2048, hidden, joint)
    reading = shapes.Reading(vocabulary=CLINICAL_BERT, length=97, padding="longest", pool=pool)
    return shapes.Published(
        images=(shapes.dual_part(shapes.ResNetTrunk, preprocess, project, joint, images),),
        texts=(shapes.text_part(reading, texts, projection=partial(shapes.mlp, 768, 768, joint), pooler=benchx),),
        container=lambda state: {"model": state} if benchx else state,
    )


load, write_phantom, keys = offer(SPEC, published)
