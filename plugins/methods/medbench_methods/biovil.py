"""BioViL (ECCV 2022): a ResNet-50 aligned with CXR-BERT; its image tower, from the file that Microsoft publishes.

Its texts need code of the model's own repository, so that they are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.layouts import Layout
from medbench.specs import MethodSpec
from medbench_methods.known import functions_of, offer, variant

if TYPE_CHECKING:
    from medbench_methods.nets.shapes import Published

_URL = "https://huggingface.co/microsoft/BiomedVLP-CXR-BERT-specialized"
IMAGES = Layout(
    name="BioViL's image model",
    renames={"trunk.net.**": "encoder.encoder.**"},
    # The library that makes the file (hi-ml-multimodal 0.2.2) builds torchvision's ResNet-50 whole, and reads it strictly.
    ignore=("encoder.encoder.fc.*", "projector.**"),
)
SPEC = MethodSpec(
    id="biovil",
    title="BioViL",
    summary="A ResNet-50 aligned with radiology reports, which looks at 480 pixels; images alone.",
    variants=(variant("resnet50", "ResNet-50", "biovil/biovil_image_resnet50_proj_size_128.pt", _URL, ("mimic-cxr",)),),
    licence="MIT",
    citation="Boecking et al., Making the Most of Text Semantics to Improve Biomedical Vision-Language Processing, ECCV 2022",
    code_url="https://github.com/microsoft/hi-ml",
    paper_url="https://arxiv.org/abs/2204.09817",
    pretrained_on=("mimic-cxr",),
    tags=("chest-x-ray", "vision-language"),
    **functions_of(__name__),
)


def published(variant: str) -> Published:
    """The mean of ``layer4``, before the projection to 128, of pixels in [0, 1].

    Resizing and the crop of 480 are those of hi-ml-multimodal's inference. It stretches an image's values to 8 bits first;
    here they are as the dataset's reader gives them.
    """
    from medbench.capabilities import Preprocess
    from medbench_methods.nets.shapes import Published, ResNetTrunk, image_part

    zeros, ones = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    shown = Preprocess(resize=512, mode="shorter", crop=480, mean=zeros, std=ones, interpolation="bilinear")
    return Published(
        images=(image_part(ResNetTrunk, shown, IMAGES),),
        spare={"encoder.encoder.fc.weight": (1000, 2048), "projector.model.0.weight": (128, 2048, 1, 1)},
    )


load, write_phantom, keys = offer(SPEC, published)
