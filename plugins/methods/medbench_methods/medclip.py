"""MedCLIP (EMNLP 2022): images and sentences that need not be of one study, matched by the findings that both have."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from medbench.capabilities import Preprocess
from medbench.layouts import Layout
from medbench.specs import MethodSpec
from medbench_methods.known import functions_of, offer, variant
from medbench_methods.vocabulary import CLINICAL_BERT

if TYPE_CHECKING:
    from torch import Tensor

    from medbench_methods.nets.shapes import Published, States

FILE, IMAGE, TEXT, SCALE = "MedCLIP's flat file", "vision_model.", "text_model.", "logit_scale"
POOLER = {f"{TEXT}model.pooler.dense.weight": (768, 768), f"{TEXT}model.pooler.dense.bias": (768,)}
SEEN = ("mimic-cxr", "chexpert:train")
_RESNET, _SWIN = (
    f"https://storage.googleapis.com/pytrial/{name}-pretrained.zip" for name in ("medclip", "medclip-vit")
)
MEAN, STD = 0.5862785803043838, 0.27950088968644304
PREPROCESS = Preprocess(resize=224, mode="canvas", crop=224, mean=(MEAN,) * 3, std=(STD,) * 3, interpolation="bicubic")
SPEC = MethodSpec(
    id="medclip",
    title="MedCLIP",
    summary="Images and sentences matched by CheXpert's findings: a ResNet-50, or the Swin-Tiny that its authors call ViT."
    " The files are pytorch_model.bin of the two published zips, unpacked and renamed.",
    variants=(
        variant("resnet50", "ResNet-50", "medclip/MedCLIP-resnet50.bin", _RESNET, SEEN, CLINICAL_BERT),
        variant("vit", "Swin-Tiny", "medclip/MedCLIP-vit.bin", _SWIN, SEEN, CLINICAL_BERT),
    ),
    licence="no licence file in the authors' repository, whose setup.py says BSD",
    citation="Wang et al., MedCLIP: Contrastive Learning from Unpaired Medical Images and Text, EMNLP 2022",
    code_url="https://github.com/RyanWangZf/MedCLIP",
    paper_url="https://arxiv.org/abs/2210.10163",
    pretrained_on=SEEN,  # with CheXpert's 14 labels, by which images and sentences were matched
    tags=("chest-x-ray", "vision-language"),
    **functions_of(__name__),
)


def published(variant: str) -> Published:
    """Features are those before the projection. Texts are padded to 77 tokens, so that a text's vector is its own.

    That is our choice: the release pads to the longest of a batch, and the mean takes padding in.
    """
    from torch import nn

    from medbench_methods.nets.shapes import Published, Reading, ResNetTrunk, dual_part, text_part
    from medbench_methods.nets.swin import SwinTrunk, positions_under, stored_under

    if variant == "vit":
        trunk, names, places = SwinTrunk, stored_under(f"{IMAGE}model."), positions_under(f"{IMAGE}model.")
        names["projection.**"] = f"{IMAGE}projection_head.**"
    else:
        trunk, places = ResNetTrunk, {}
        names = {"projection.**": f"{IMAGE}model.fc.**", "trunk.net.**": f"{IMAGE}model.**"}
    image_head, text_head = (partial(nn.Linear, width, 512, bias=False) for width in (trunk.embed_dim, 768))
    images = Layout(name=FILE, renames=names, ignore=(f"{TEXT}**", SCALE, *places))
    text_names = {"bert.**": f"{TEXT}model.**", "projection.**": f"{TEXT}projection_head.**"}
    texts = Layout(name=FILE, renames=text_names, ignore=(f"{IMAGE}**", SCALE, *POOLER))
    reading = Reading(vocabulary=CLINICAL_BERT, length=77, padding="max_length", pool=_pool)
    return Published(
        images=(dual_part(trunk, PREPROCESS, image_head, 512, images),),
        texts=(text_part(reading, texts, projection=text_head),),
        spare={SCALE: (), **POOLER, **places},
    )


def _pool(states: States) -> Tensor:
    """The mean over all 77 places, padding too, of the first, the second and the last layer."""
    return (states.layers[1] + states.layers[2] + states.layers[-1]).mean(dim=1) / 3


load, write_phantom, keys = offer(SPEC, published)
