"""GLoRIA (ICCV 2021): images and reports aligned as wholes, and regions with words.

Similarity here is that of the wholes; the release adds its local score, of words and regions, for zero-shot classification.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from medbench.layouts import Layout
from medbench.specs import MethodSpec
from medbench_methods.known import functions_of, offer, variant
from medbench_methods.vocabulary import CLINICAL_BERT

if TYPE_CHECKING:
    from torch import Tensor

    from medbench_methods.nets.shapes import Published, States

ENCODER = "gloria.img_encoder."
LOCAL = f"{ENCODER}local_embedder.weight"
LENGTH = 97
CHEXPERT, MIMIC = ("chexpert:train",), ("mimic-cxr:train",)
_BOX = "https://stanfordmedicine.box.com/s/j5h7q99f3pfi7enc0dom73m4nsm6yzvh"
_BENCHX = "https://huggingface.co/youngzhou12/GLoRIA"
IMAGES = Layout(
    name="GLoRIA's Lightning file",
    renames={"trunk.net.**": f"{ENCODER}model.**", "projection.**": f"{ENCODER}global_embedder.**"},
    ignore=(LOCAL, "gloria.text_encoder.**"),
)
TEXTS = Layout(
    name="GLoRIA's Lightning file",
    renames={"bert.**": "gloria.text_encoder.model.**"},
    ignore=("gloria.text_encoder.model.pooler.**", f"{ENCODER}**"),
)
SPEC = MethodSpec(
    id="gloria",
    title="GLoRIA",
    summary="Global and local alignment of chest radiographs and reports: a ResNet-50 that looks at 299 pixels.",
    variants=(
        variant("resnet50", "ResNet-50 (CheXpert)", "gloria/chexpert_resnet50.ckpt", _BOX, CHEXPERT, CLINICAL_BERT),
        variant("resnet50-benchx", "ResNet-50 (BenchX)", "gloria/GLoRIA.pth", _BENCHX, MIMIC, CLINICAL_BERT),
    ),
    licence="Apache-2.0",
    citation="Huang et al., GLoRIA: A Multimodal Global-Local Representation Learning Framework for Label-efficient"
    " Medical Image Recognition, ICCV 2021",
    code_url="https://github.com/marshuang80/gloria",
    pretrained_on=CHEXPERT,
    tags=("chest-x-ray", "vision-language"),
    **functions_of(__name__),
)


def published(variant: str) -> Published:
    """Both variants: features are the mean of ``layer4``, and a linear layer leads to the texts."""
    from torch import nn

    from medbench_methods.nets.encoders import FAMILY_PREPROCESS
    from medbench_methods.nets.shapes import Published, Reading, ResNetTrunk, dual_part, text_part

    trunk = partial(ResNetTrunk, upsample=299)
    reading = Reading(vocabulary=CLINICAL_BERT, length=LENGTH, padding="max_length", pool=_pool)
    return Published(
        images=(dual_part(trunk, FAMILY_PREPROCESS, partial(nn.Linear, 2048, 768), 768, IMAGES),),
        texts=(text_part(reading, TEXTS),),
        container=lambda state: {"epoch": 1, "global_step": 1, "state_dict": state, "hyper_parameters": {}},
        spare={LOCAL: (768, 1024, 1, 1)},
    )


def _pool(states: States) -> Tensor:
    """The last four layers added up, then the mean over all 97 places, of which those after [SEP] are zero."""
    summed: Tensor = sum(states.layers[-4:])
    return (summed * states.tokens.mask[..., None]).sum(dim=1) / LENGTH


load, write_phantom, keys = offer(SPEC, published)
