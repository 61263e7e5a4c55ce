"""BioViL-T (CVPR 2023): BioViL with a patient's earlier image beside the present one; here its image tower, of single images.

Its texts need code of the model's own repository, so that they are left out, and with them the projection to their space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.layouts import Layout
from medbench.specs import MethodSpec
from medbench_methods.known import functions_of, offer, variant

if TYPE_CHECKING:
    from medbench_methods.nets.shapes import Published

_URL = "https://huggingface.co/microsoft/BiomedVLP-BioViL-T"
IMAGES = Layout(
    name="BioViL-T's image model",
    renames={
        "trunk.net.**": "encoder.encoder.**",
        "trunk.backbone_to_vit.weight": "encoder.backbone_to_vit.weight",
        "trunk.missing_previous_emb": "encoder.missing_previous_emb",
    },
    # hi-ml-multimodal 0.2.2 keeps torchvision's classifier, and asks the transformer where there is an earlier image.
    ignore=("encoder.encoder.fc.*", "encoder.vit_pooler.**", "projector.**"),
)
SPEC = MethodSpec(
    id="biovil-t",
    title="BioViL-T",
    summary="A ResNet-50 and a transformer over a patient's images in time, aligned with reports; here of one image.",
    variants=(
        variant("resnet50", "ResNet-50", "biovil-t/biovil_t_image_model_proj_size_128.pt", _URL, ("mimic-cxr",)),
    ),
    licence="MIT",
    citation="Bannur et al., Learning to Exploit Temporal Structure for Biomedical Vision-Language Processing, CVPR 2023",
    code_url="https://github.com/microsoft/hi-ml",
    paper_url="https://arxiv.org/abs/2301.04558",
    pretrained_on=("mimic-cxr",),
    tags=("chest-x-ray", "vision-language", "temporal"),
    **functions_of(__name__),
)


def published(variant: str) -> Published:
    """What hi-ml-multimodal gives for an image without an earlier one: 256 numbers of it, and 256 that are always the same.

    Resizing and the crop of 448 are those of its inference. It stretches an image's values to 8 bits first; here they are as
    the dataset's reader gives them.
    """
    from medbench.capabilities import Preprocess
    from medbench_methods.nets.shapes import Published, image_part
    from medbench_methods.nets.single_image import SingleImageTrunk

    zeros, ones = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    shown = Preprocess(resize=512, mode="shorter", crop=448, mean=zeros, std=ones, interpolation="bilinear")
    return Published(
        images=(image_part(SingleImageTrunk, shown, IMAGES),),
        spare={"encoder.encoder.fc.weight": (1000, 2048), "projector.model.0.weight": (128, 512, 1, 1)},
    )


load, write_phantom, keys = offer(SPEC, published)
